/*
 * A profiler made of one signal: ITIMER_PROF sends SIGPROF whenever the process has computed for so
 * long, and the handler notes where. Two functions compute three times and once as long; the share
 * of signals in each says so, though nobody called a clock in them. Sleeping is not counted.
 *
 * Man pages: setitimer(2), signal-safety(7), signal(7), clock_gettime(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

enum {
    PERIOD_US = 10 * 1000,
    COSTLY_MS = 900,
    CHEAP_MS = 300,
    SLEEP_MS = 300,
    SLICE_MS = 20,
    STRAY = 5, /* signals of the last and next moments of computing; 30 would be due in the sleep */
};

enum place { ELSEWHERE, COSTLY, CHEAP, ASLEEP, PLACES };

static volatile sig_atomic_t where = ELSEWHERE;
static volatile sig_atomic_t counted[PLACES];

static void note(int number)
{
    (void)number;
    counted[where]++;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static long processor_ms(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == -1)
        die("clock_gettime");
    return (long)(used.tv_sec * 1000 + used.tv_nsec / 1000000);
}

/* What is computed does not matter: so much processor time, whatever the machine. */
static void compute(enum place place, long ms)
{
    long end = processor_ms() + ms;
    where = (sig_atomic_t)place;
    while (processor_ms() < end)
        ;
    where = ELSEWHERE;
}

static void sleep_for(long ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    where = ASLEEP;
    while (nanosleep(&rest, &rest) == -1)
        if (errno != EINTR)
            die("nanosleep");
    where = ELSEWHERE;
}

static void set_timer(long period_us)
{
    struct itimerval timer = {.it_interval.tv_usec = period_us, .it_value.tv_usec = period_us};
    if (setitimer(ITIMER_PROF, &timer, NULL) == -1)
        die("setitimer");
}

int main(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, NULL) == -1)
        die("sigaction");

    compute(COSTLY, SLICE_MS * 5); /* the control: no timer yet, so nothing is counted */
    int without = counted[COSTLY];

    set_timer(PERIOD_US);
    for (long done = 0; done < COSTLY_MS; done += 3 * SLICE_MS) { /* in turns, as programs do */
        compute(COSTLY, 3 * SLICE_MS);
        compute(CHEAP, CHEAP_MS * 3 * SLICE_MS / COSTLY_MS);
    }
    sleep_for(SLEEP_MS);
    set_timer(0);

    int costly = counted[COSTLY], cheap = counted[CHEAP];
    int percent = costly + cheap > 0 ? 100 * costly / (costly + cheap) : 0;
    printf("{\"without_timer\": %d, \"costly\": %d, \"cheap\": %d, \"asleep\": %d, ", without, costly, cheap,
           counted[ASLEEP]);
    printf("\"sleep_counted\": %s, ", counted[ASLEEP] > STRAY ? "true" : "false");
    printf("\"costly_percent\": %d, \"sampled\": %s}\n", percent, costly > 5 && cheap > 0 ? "true" : "false");
    return 0;
}
