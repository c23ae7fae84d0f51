#include "server/auth/throttle.h"
#include <sodium.h>
#include <string.h>

#define SETS        1024
#define WAYS        4
#define HALVED_USEC (60 * G_USEC_PER_SEC)
/* Attempts that wait for each other, in delays of the longest kind. */
#define QUEUE_MOST 4

typedef struct Count {
    guint64 key; /* 0: none */
    guint failures;
    gint64 last; /* when `failures` was right */
    gint64 turn; /* when the last attempt that waits may begin */
} Count;

struct Throttle {
    guint free_failures;
    gint64 delay_usec, most_usec;
    /* Keys come from outside; hashed with a secret, nobody can choose whom to displace. */
    guint8 secret[crypto_shorthash_KEYBYTES];
    Count counts[SETS][WAYS];
};

Throttle *throttle_new(guint free_failures, gint64 delay_usec, gint64 most_usec)
{
    Throttle *throttle = g_new0(Throttle, 1);
    throttle->free_failures = free_failures;
    throttle->delay_usec = delay_usec;
    throttle->most_usec = most_usec;
    crypto_shorthash_keygen(throttle->secret);
    return throttle;
}

void throttle_free(Throttle *throttle)
{
    g_free(throttle);
}

static guint64 hash(const Throttle *throttle, const char *key)
{
    guint64 value = 0;
    crypto_shorthash((guint8 *)&value, (const guint8 *)key, strlen(key), throttle->secret);
    return value ? value : 1;
}

static void age(Count *count, gint64 now)
{
    gint64 halvings = (now - count->last) / HALVED_USEC;
    if (halvings <= 0)
        return;
    count->failures = halvings >= 32 ? 0 : count->failures >> halvings;
    count->last += halvings * HALVED_USEC;
}

static Count *find(Throttle *throttle, guint64 key)
{
    Count *set = throttle->counts[key % SETS];
    for (guint i = 0; i < WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static gint64 delay_of(const Throttle *throttle, Count *count, gint64 now)
{
    age(count, now);
    if (count->failures <= throttle->free_failures)
        return 0;
    guint doublings = MIN(count->failures - throttle->free_failures - 1, 20);
    return MIN(throttle->delay_usec << doublings, throttle->most_usec);
}

gint64 throttle_delay(Throttle *throttle, const char *key, gint64 now)
{
    Count *count = find(throttle, hash(throttle, key));
    return count ? delay_of(throttle, count, now) : 0;
}

gint64 throttle_queue(Throttle *throttle, const char *key, gint64 now)
{
    Count *count = find(throttle, hash(throttle, key));
    gint64 delay = count ? delay_of(throttle, count, now) : 0;
    if (delay == 0)
        return 0;
    gint64 turn = MAX(count->turn, now) + delay;
    if (turn - now > QUEUE_MOST * throttle->most_usec)
        return -1;
    count->turn = turn;
    return turn - now;
}

void throttle_failed(Throttle *throttle, const char *key, gint64 now)
{
    guint64 hashed = hash(throttle, key);
    Count *count = find(throttle, hashed);
    if (!count) {
        Count *set = throttle->counts[hashed % SETS];
        count = &set[0];
        for (guint i = 0; i < WAYS; i++) {
            age(&set[i], now);
            if (set[i].failures < count->failures)
                count = &set[i];
        }
        *count = (Count){.key = hashed, .last = now};
    }
    age(count, now);
    count->failures++;
}

void throttle_forgive(Throttle *throttle, const char *key)
{
    Count *count = find(throttle, hash(throttle, key));
    if (count)
        *count = (Count){0};
}
