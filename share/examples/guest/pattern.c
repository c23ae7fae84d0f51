/*
 * Proof, inside a guest, that its memory and its disk stay whole while it is moved about:
 *
 *   pattern MEMORY_MIB MIB_PER_SECOND [DISK_MIB DEVICE]
 *
 * Each page of memory and each block of the disk holds numbers that follow from where it is and how
 * often it was written. One process checks all of the memory again and again and writes pages of it
 * at the given rate; a second does the same with the disk, from its second MiB on, past all caches.
 * A disk that two machines write to at once fails the check as well: each finds what the other
 * wrote.
 *
 *   PATTERN memory writes=5120 passes=3 bad=0          each second; writes never become fewer
 *   PATTERN disk writes=310 passes=1 bad=0 errors=0
 *   BAD memory page=17 word=3 writes=5 has=... wants=...   at once
 *   ERROR disk block=5: Input/output error                 the disk said so itself: not a wrong
 * byte
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define UNIT       4096 /* bytes of a page and of a block */
#define WORDS      (UNIT / sizeof(uint64_t))
#define MIB        (1024 * 1024)
#define TICK_MS    50
#define BAD_SHOWN  20 /* beyond so many the count is enough */
#define DISK_START MIB

typedef struct Area {
    const char *name, *unit;
    uint32_t count;  /* of units */
    uint32_t *wrote; /* how often each was written */
    uint32_t *again; /* the same, inverted: that the counts themselves are whole is checked too */
    uint64_t writes, passes, bad, errors;
    uint32_t write_at, check_at;
} Area;

/* One line, one call: lines of others do not mix into it. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)length + 1) < 0)
        exit(1);
}

/* Of this run: a machine that was started twice does not write the same. */
static uint64_t salt;

/* Numbers of a unit after so many writes: another seed for each, and one step from word to word. */
static uint64_t seed_of(const Area *area, uint32_t unit, uint32_t wrote)
{
    uint64_t seed = ((uint64_t)unit << 32 | wrote) + (uint8_t)*area->name;
    seed ^= salt;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9U;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebU;
    return seed ^ seed >> 31;
}

static uint64_t word_of(uint64_t seed, uint32_t index)
{
    return seed ^ (uint64_t)index * 0x9e3779b97f4a7c15U;
}

static void fill(const Area *area, uint32_t unit, uint32_t wrote, uint64_t *words)
{
    uint64_t seed = seed_of(area, unit, wrote);
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = word_of(seed, i);
}

/* The first word that is not as after so many writes; WORDS: all are right. */
static uint32_t first_wrong(const Area *area, uint32_t unit, uint32_t wrote, const uint64_t *words)
{
    uint64_t seed = seed_of(area, unit, wrote);
    uint32_t i = 0;
    while (i < WORDS && words[i] == word_of(seed, i))
        i++;
    return i;
}

static void check(Area *area, uint32_t unit, const uint64_t *words)
{
    uint32_t wrote = area->wrote[unit];
    if (wrote != ~area->again[unit] && area->bad++ < BAD_SHOWN)
        say("BAD %s %s=%u count=%u count-again=%u", area->name, area->unit, unit, wrote,
            ~area->again[unit]);
    uint32_t wrong = first_wrong(area, unit, wrote, words);
    if (wrong == WORDS || area->bad++ >= BAD_SHOWN)
        return;
    int older = wrote && first_wrong(area, unit, wrote - 1, words) == WORDS;
    say("BAD %s %s=%u word=%u writes=%u has=%016llx wants=%016llx%s", area->name, area->unit, unit,
        wrong, wrote, (unsigned long long)words[wrong],
        (unsigned long long)word_of(seed_of(area, unit, wrote), wrong),
        older ? " (as before the last write)" : "");
}

static void count_write(Area *area, uint32_t unit)
{
    area->wrote[unit]++;
    area->again[unit] = ~area->wrote[unit];
    area->writes++;
}

static uint32_t advance(const Area *area, uint32_t *at, uint64_t *passes)
{
    uint32_t unit = *at;
    *at = (unit + 1) % area->count;
    if (*at == 0 && passes)
        ++*passes;
    return unit;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static Area area_new(const char *name, const char *unit, uint64_t bytes)
{
    Area area = {.name = name, .unit = unit, .count = (uint32_t)(bytes / UNIT)};
    area.wrote = calloc(area.count, sizeof *area.wrote);
    area.again = calloc(area.count, sizeof *area.again);
    if (!area.wrote || !area.again || !area.count) {
        say("PATTERN %s: no room for %llu bytes", name, (unsigned long long)bytes);
        exit(1);
    }
    memset(area.again, 0xff, area.count * sizeof *area.again);
    return area;
}

/* ---- memory ---- */

static void prove_memory(uint64_t mib, double rate)
{
    Area area = area_new("memory", "page", mib * MIB);
    uint64_t(*pages)[WORDS] =
        mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        say("PATTERN memory: no room for %llu MiB", (unsigned long long)mib);
        exit(1);
    }
    for (uint32_t i = 0; i < area.count; i++)
        fill(&area, i, 0, pages[i]);
    double each = rate * MIB / UNIT * TICK_MS / 1000, due = 0;
    int64_t told = now_ms();
    for (;;) {
        for (due += each; due >= 1; due--) {
            uint32_t unit = advance(&area, &area.write_at, NULL);
            check(&area, unit, pages[unit]);
            count_write(&area, unit);
            fill(&area, unit, area.wrote[unit], pages[unit]);
        }
        /* All of it in two seconds, what is not written included. */
        for (uint32_t i = 0; i <= area.count * TICK_MS / 2000; i++) {
            uint32_t unit = advance(&area, &area.check_at, &area.passes);
            check(&area, unit, pages[unit]);
        }
        if (now_ms() - told >= 1000) {
            told = now_ms();
            say("PATTERN memory writes=%llu passes=%llu bad=%llu", (unsigned long long)area.writes,
                (unsigned long long)area.passes, (unsigned long long)area.bad);
        }
        usleep(TICK_MS * 1000);
    }
}

/* ---- disk ---- */

static off_t place_of(uint32_t block)
{
    return DISK_START + (off_t)block * UNIT;
}

static void disk_error(Area *area, uint32_t block)
{
    area->errors++;
    say("ERROR disk block=%u: %s", block, strerror(errno));
    usleep(500 * 1000);
}

/* FALSE: the disk gave an error. After one it is not known whether a write was done: both are
 * right then, and the block is counted as what it holds. */
static int check_block(Area *area, int disk, uint32_t block, uint64_t *words)
{
    if (pread(disk, words, UNIT, place_of(block)) != UNIT) {
        disk_error(area, block);
        return 0;
    }
    if (area->errors && first_wrong(area, block, area->wrote[block] + 1, words) == WORDS)
        count_write(area, block);
    check(area, block, words);
    return 1;
}

static void write_block(Area *area, int disk, uint32_t block, uint64_t *words)
{
    fill(area, block, area->wrote[block] + 1, words);
    if (pwrite(disk, words, UNIT, place_of(block)) == UNIT)
        count_write(area, block);
    else
        disk_error(area, block);
}

static void prove_disk(uint64_t mib, const char *path)
{
    void *words = NULL;
    int disk = open(path, O_RDWR | O_DIRECT | O_DSYNC);
    off_t end = disk < 0 ? -1 : lseek(disk, 0, SEEK_END);
    if (end < 0 || posix_memalign(&words, UNIT, UNIT)) {
        say("PATTERN disk: %s: %s", path, strerror(errno));
        exit(1);
    }
    if (end < (off_t)(DISK_START + mib * MIB))
        mib = end > DISK_START ? (uint64_t)(end - DISK_START) / MIB : 0;
    Area area = area_new("disk", "block", mib * MIB);
    for (uint32_t i = 0; i < area.count; i++) {
        fill(&area, i, 0, words);
        while (pwrite(disk, words, UNIT, place_of(i)) != UNIT)
            disk_error(&area, i);
    }
    say("PATTERN disk begins, %u blocks", area.count);
    int64_t told = now_ms();
    for (;;) {
        uint32_t block = advance(&area, &area.write_at, NULL);
        if (check_block(&area, disk, block, words))
            write_block(&area, disk, block, words);
        for (uint32_t i = 0; i <= area.count * TICK_MS / 4000; i++)
            (void)check_block(&area, disk, advance(&area, &area.check_at, &area.passes), words);
        if (now_ms() - told >= 1000) {
            told = now_ms();
            say("PATTERN disk writes=%llu passes=%llu bad=%llu errors=%llu",
                (unsigned long long)area.writes, (unsigned long long)area.passes,
                (unsigned long long)area.bad, (unsigned long long)area.errors);
        }
        usleep(TICK_MS * 1000);
    }
}

int main(int count, char **words)
{
    if (count != 3 && count != 5) {
        say("PATTERN: give MEMORY_MIB MIB_PER_SECOND [DISK_MIB DEVICE]");
        return 2;
    }
    if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) != sizeof salt)
        salt = (uint64_t)now_ms();
    if (count == 5 && fork() == 0)
        prove_disk(strtoull(words[3], NULL, 10), words[4]);
    prove_memory(strtoull(words[1], NULL, 10), strtod(words[2], NULL));
}
