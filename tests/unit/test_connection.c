#include "server/http/connection.h"

#include <arpa/inet.h>
#include <string.h>

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1)
        ipv4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1)
        ipv6->sin6_family = AF_INET6;
    return storage;
}

static gboolean admit(Peers *peers, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    return peers_admit(peers, (const struct sockaddr *)&address);
}

static Peer *add(Peers *peers, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    return peers_add(peers, -1, (const struct sockaddr *)&address);
}

static void test_addresses(void)
{
    static const struct {
        const char *address, *shown;
        gboolean local;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", TRUE},         {"127.9.9.9", "127.9.9.9", TRUE},
        {"192.0.2.1", "192.0.2.1", FALSE},        {"::1", "::1", TRUE},
        {"2001:db8::1", "2001:db8::1", FALSE},    {"::ffff:127.0.0.1", "127.0.0.1", TRUE},
        {"::ffff:192.0.2.1", "192.0.2.1", FALSE},
    };
    Peers *peers = peers_new(0, 30, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Peer *peer = add(peers, cases[i].address);
        g_assert_cmpstr(peer->address, ==, cases[i].shown);
        g_assert_cmpint(peer->local, ==, cases[i].local);
        peers_remove(peers, peer);
    }
    peers_free(peers);
}

static void test_per_address(void)
{
    Peers *peers = peers_new(2, 30, TRUE);
    Peer *first = add(peers, "192.0.2.1");
    g_assert_true(admit(peers, "192.0.2.1"));
    Peer *second = add(peers, "::ffff:192.0.2.1"); /* the same peer over the other family */
    g_assert_false(admit(peers, "192.0.2.1"));
    g_assert_true(admit(peers, "192.0.2.2"));
    peers_remove(peers, first);
    g_assert_true(admit(peers, "192.0.2.1"));
    peers_remove(peers, second);

    /* A network of 64 bits is one peer; this computer is never too many. */
    Peer *a = add(peers, "2001:db8::1"), *b = add(peers, "2001:db8::2");
    g_assert_false(admit(peers, "2001:db8::3"));
    g_assert_true(admit(peers, "2001:db8:0:1::3"));
    Peer *local[3];
    for (int i = 0; i < 3; i++)
        local[i] = add(peers, "127.0.0.1");
    g_assert_true(admit(peers, "127.0.0.1"));
    g_assert_cmpuint(peers_count(peers), ==, 5);
    g_assert_cmpuint(peers_cut(peers), ==, 2);
    peers_remove(peers, a);
    peers_remove(peers, b);
    for (int i = 0; i < 3; i++)
        peers_remove(peers, local[i]);
    g_assert_cmpuint(peers_count(peers), ==, 0);
    peers_free(peers);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/connection/addresses", test_addresses);
    g_test_add_func("/connection/per-address", test_per_address);
    return g_test_run();
}
