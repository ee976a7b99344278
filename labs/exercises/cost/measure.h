/*
 * What an operation costs, measured so that two machines can be compared.
 *
 * An operation is repeated in batches. Batches grow until one takes BATCH_NS of the processor; those are
 * the warm-up and count for nothing. Then BATCHES of that size are timed, and their median and quartiles
 * kept: a mean would be moved by the one batch in which somebody else had the processor. Batches are
 * shorter than the turns a scheduler gives, so that many of them are not interrupted even on a busy host;
 * what an empty batch costs is subtracted, and where a busy moment made a small batch look long enough,
 * they grow again. The time is bounded on every machine, because a slow one makes smaller batches, not
 * longer ones.
 *
 * The figure is processor time, of this process, its partner and its children together, on one
 * processor: what others do meanwhile is not in it, as far as the kernel underneath can tell. A guest's
 * kernel cannot tell when the host gave its processor to somebody else. Time on the wall is kept beside it.
 *
 * Man pages: clock_gettime(2), clock_getcpuclockid(3), getrusage(2), sched_setaffinity(2).
 */
#ifndef MEASURE_H
#define MEASURE_H

/* So this is the first header of all. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 63, BATCH_NS = 500000, MOST_TIMES = 1 << 20 };
enum { QUARTER = BATCHES / 4, HALF = BATCHES / 2, REPORT_SIZE = 8192 };

/* Does something `times` times. */
typedef void operation(void *with, uint32_t times);

/* Nanoseconds of processor time for one repetition in each batch, and what the wall clock said. */
struct series {
    double cost[BATCHES], wall[BATCHES];
    uint32_t times;
};

static inline _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static inline int64_t clock_now(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) == -1)
        die("clock_gettime");
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t nanoseconds(struct timeval time)
{
    return ((int64_t)time.tv_sec * 1000000 + time.tv_usec) * 1000;
}

/* Of a partner that lives (0: there is none) and of children that were waited for. */
static inline int64_t others_time(pid_t partner)
{
    struct rusage children;
    clockid_t clock;
    int64_t sum = 0;
    if (getrusage(RUSAGE_CHILDREN, &children) == -1)
        die("getrusage");
    sum += nanoseconds(children.ru_utime) + nanoseconds(children.ru_stime);
    if (partner != 0) {
        if ((errno = clock_getcpuclockid(partner, &clock)) != 0)
            die("clock_getcpuclockid");
        sum += clock_now(clock);
    }
    return sum;
}

/* Whether this process and those it starts stay on one processor from now on, as they must in a machine
 * that has only one. */
static inline bool stay_on_one_processor(void)
{
    cpu_set_t only;
    int here = sched_getcpu();
    if (here < 0 || here >= CPU_SETSIZE)
        return false;
    CPU_ZERO(&only);
    CPU_SET(here, &only);
    return sched_setaffinity(0, sizeof only, &only) == 0;
}

/* The nanoseconds of one batch. Our own clock is read last before it and first after it: to read a clock
 * costs processor time too, and that of the other two is not to be counted. */
static inline void time_batch(operation *what, void *with, uint32_t times, pid_t partner, int64_t *cost,
                              int64_t *wall)
{
    int64_t others = others_time(partner), began = clock_now(CLOCK_MONOTONIC);
    int64_t own = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    what(with, times);
    own = clock_now(CLOCK_PROCESS_CPUTIME_ID) - own;
    *wall = clock_now(CLOCK_MONOTONIC) - began;
    *cost = own + others_time(partner) - others;
}

/* Whether a batch is long enough: each of five, for some may have been interrupted. */
static inline bool is_long_enough(operation *what, void *with, uint32_t times, pid_t partner, double empty)
{
    for (int i = 0; i < 5; i++) {
        int64_t cost, wall;
        time_batch(what, with, times, partner, &cost, &wall);
        if ((double)cost - empty < BATCH_NS)
            return false;
    }
    return true;
}

static inline int by_size(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static inline void sort_batches(double *batches)
{
    qsort(batches, BATCHES, sizeof *batches, by_size);
}

static inline void time_batches(operation *what, void *with, uint32_t times, pid_t partner,
                                struct series *found)
{
    for (int i = 0; i < BATCHES; i++) {
        int64_t cost, wall;
        time_batch(what, with, times, partner, &cost, &wall);
        found->cost[i] = (double)cost;
        found->wall[i] = (double)wall;
    }
}

/* Whether the batches were as long as they were meant to be. All five that their size was chosen by may
 * have been interrupted; the lower quartile of the many tells. */
static inline bool were_long_enough(const struct series *found, double empty)
{
    double cost[BATCHES];
    memcpy(cost, found->cost, sizeof cost);
    sort_batches(cost);
    return cost[QUARTER] - empty >= BATCH_NS / 2;
}

static inline void time_long_batches(operation *what, void *with, pid_t partner, double empty,
                                     struct series *found)
{
    for (found->times = 1;; found->times *= 2) {
        while (found->times < MOST_TIMES && !is_long_enough(what, with, found->times, partner, empty))
            found->times *= 2;
        time_batches(what, with, found->times, partner, found);
        if (found->times >= MOST_TIMES || were_long_enough(found, empty))
            return;
    }
}

/* What a batch costs in which nothing is done (a clock is read, a partner is told) is not the operation's.
 * The least that it costs, for a batch that was interrupted would take away too much. */
static inline struct series measure(operation *what, void *with, pid_t partner)
{
    struct series found, empty;
    time_batches(what, with, 0, partner, &empty);
    sort_batches(empty.cost);
    sort_batches(empty.wall);
    time_long_batches(what, with, partner, empty.cost[0], &found);
    for (int i = 0; i < BATCHES; i++) {
        found.cost[i] = (found.cost[i] - empty.cost[0]) / found.times;
        found.wall[i] = (found.wall[i] - empty.wall[0]) / found.times;
    }
    return found;
}

/* What was observed so far: the members of the one JSON object that is printed in the end. */
static char observed[REPORT_SIZE];

__attribute__((format(printf, 1, 2))) static inline void observe(const char *format, ...)
{
    size_t used = strlen(observed);
    va_list values;
    va_start(values, format);
    int more = vsnprintf(observed + used, sizeof observed - used, format, values);
    va_end(values);
    if (more < 0 || (size_t)more >= sizeof observed - used) {
        fprintf(stderr, "more was observed than fits into the report\n");
        _exit(1);
    }
}

static inline void observe_figure(const char *key, double median, double q1, double q3, double wall,
                                  uint32_t times)
{
    printf("%s: %.1f (%.1f to %.1f), by the wall clock %.1f; %d batches of %lu\n", key, median, q1, q3, wall,
           BATCHES, (unsigned long)times);
    observe("%s\"%s\": {\"median\": %.3f, \"q1\": %.3f, \"q3\": %.3f, \"n\": %d, \"times\": %lu, \"wall\": %.3f}",
            observed[0] == '\0' ? "" : ", ", key, median, q1, q3, BATCHES, (unsigned long)times, wall);
}

/* Nanoseconds for one of `parts` things that each repetition does. */
static inline void observe_cost(const char *key, struct series found, double parts)
{
    sort_batches(found.cost);
    sort_batches(found.wall);
    observe_figure(key, found.cost[HALF] / parts, found.cost[QUARTER] / parts,
                   found.cost[BATCHES - 1 - QUARTER] / parts, found.wall[HALF] / parts, found.times);
}

/* Bytes in a second; what took longest is the lower quartile. */
static inline void observe_rate(const char *key, struct series found, double bytes)
{
    sort_batches(found.cost);
    sort_batches(found.wall);
    observe_figure(key, 1e9 * bytes / found.cost[HALF], 1e9 * bytes / found.cost[BATCHES - 1 - QUARTER],
                   1e9 * bytes / found.cost[QUARTER], 1e9 * bytes / found.wall[HALF], found.times);
}

/* In the place of a figure, what was in the way. */
static inline void observe_words(const char *key, const char *words)
{
    printf("%s: %s\n", key, words);
    observe("%s\"%s\": \"%s\"", observed[0] == '\0' ? "" : ", ", key, words);
}

static inline const char *verdict(int error)
{
    switch (error) {
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOSYS: return "blocked (ENOSYS)";
    case ENOEXEC: return "blocked (ENOEXEC)";
    case ENOENT: return "blocked (ENOENT)";
    case ENETUNREACH: return "blocked (ENETUNREACH)";
    case EADDRNOTAVAIL: return "blocked (EADDRNOTAVAIL)";
    default: return "blocked (another error)";
    }
}

static inline void observe_one_processor(bool one)
{
    observe("%s\"one_processor\": %s", observed[0] == '\0' ? "" : ", ", one ? "true" : "false");
}

static inline void print_observed(void)
{
    printf("{%s}\n", observed);
}

#endif
