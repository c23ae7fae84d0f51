#include "lib/base/uuid.h"

/* Where a letter of the pattern is a digit of some kind, and where it is itself. */
static const char pattern[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";

char *uuid_random(void)
{
    static const char digits[] = "0123456789abcdef";
    char *uuid = g_strdup(pattern);
    guint32 random = 0;
    guint left = 0; /* digits that `random` still has */

    for (char *at = uuid; *at; at++) {
        if (*at != 'x' && *at != 'y')
            continue;
        if (left == 0) {
            random = g_random_int();
            left = 8;
        }
        /* 'y' says which kind of UUID it is: 8, 9, a or b. */
        *at = digits[*at == 'x' ? random & 15 : 8 + (random & 3)];
        random >>= 4;
        left--;
    }
    return uuid;
}
