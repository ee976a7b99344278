/*
 * Calls log_line() where it hurts; its lines go to standard output, what it noted to standard error.
 *
 *   hammer texts        texts and numbers at their bounds
 *   hammer interrupted  a signal, whose handler logs, just before the line is written
 *   hammer entered      the same just before signals are blocked, if they ever are
 *   hammer parted       the same after a part of the line was written
 *   hammer refused      write() that is interrupted, has no room, and takes a part only
 *   hammer watched      which functions are called in a handler
 *   hammer mask         the signal mask afterwards
 *   hammer gone         nobody reads
 *   hammer storm        signals that come while it logs, allocates memory and formats
 *
 * Man pages: sigaction(2), signal-safety(7), sigprocmask(2), write(2).
 */
#define _GNU_SOURCE 1
#include "../logger.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STORM = 1000 };

static volatile sig_atomic_t handled;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void report(const char *what, const char *value)
{
    fprintf(stderr, "%s %s\n", what, value);
}

static void log_in_handler(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    watch_in_handler = 1;
    log_line(STDOUT_FILENO, "signal", number == SIGUSR1 ? 2 : info->si_value.sival_int);
    watch_in_handler = 0;
    handled++;
    errno = saved; /* whether log_line() keeps it is asked elsewhere */
}

static void handle(int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = log_in_handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) == -1)
        die("sigaction");
}

static void texts(void)
{
    char text[301];
    memset(text, 'x', sizeof text - 1);
    text[300] = '\0';
    log_line(STDOUT_FILENO, text, 0);
    log_line(STDOUT_FILENO, text + 200, 10);
    log_line(STDOUT_FILENO, "", -1);
    log_line(STDOUT_FILENO, "two\nlines\t%s\x80\xff\x7f~", 100);
    log_line(STDOUT_FILENO, "most", LONG_MAX);
    log_line(STDOUT_FILENO, "least", LONG_MIN);
}

static void planned(const enum step *steps)
{
    errno = ERANGE;
    watch_plan(steps);
    log_line(STDOUT_FILENO, "main", 1);
    report("errno", errno == ERANGE ? "kept" : strerror(errno));
}

static void interrupted(void)
{
    static const enum step STEPS[] = {STEP_SIGNAL, STEP_END};
    planned(STEPS);
}

static void entered(void)
{
    watch_blocking();
    log_line(STDOUT_FILENO, "main", 1);
}

/* The second step is that of whoever writes next: the signal comes within the line. */
static void parted(void)
{
    static const enum step STEPS[] = {STEP_PART, STEP_SIGNAL, STEP_END};
    planned(STEPS);
}

static void refused(void)
{
    static const enum step STEPS[] = {STEP_EINTR, STEP_EAGAIN, STEP_PART, STEP_EINTR, STEP_EAGAIN,
                                      STEP_PART,  STEP_END};
    planned(STEPS);
}

static void watched(void)
{
    static const enum step STEPS[] = {STEP_EAGAIN, STEP_EINTR, STEP_END};
    watch_plan(STEPS);
    if (raise(SIGUSR1) != 0)
        die("raise");
    report("unsafe", watch_unsafe == NULL ? "none" : watch_unsafe);
}

static void mask(void)
{
    sigset_t some, before, after;
    bool same = true;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &some, NULL) == -1 || sigprocmask(SIG_BLOCK, NULL, &before) == -1)
        die("sigprocmask");
    log_line(STDOUT_FILENO, "main", 1);
    if (sigprocmask(SIG_BLOCK, NULL, &after) == -1)
        die("sigprocmask");
    for (int number = 1; number <= SIGRTMAX; number++)
        same = same && sigismember(&before, number) == sigismember(&after, number);
    report("mask", same ? "kept" : "changed");
}

static void gone(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1 || close(ends[0]) == -1 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("making a pipe without a reader");
    errno = ERANGE;
    log_line(ends[1], "nobody", 0);
    report("errno", errno == ERANGE ? "kept" : strerror(errno));
}

/* A pipe of one page, which does not wait: there will be no room in it again and again. */
static void storm(void)
{
    char text[64], *block;
    if (fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 4096) == -1 || fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK) == -1)
        die("fcntl");
    report("storm", "ready");
    for (int i = 0; i < STORM || handled < STORM; i++) {
        block = malloc(16 + (size_t)i % 4096);
        if (block == NULL)
            die("malloc");
        snprintf(block, 16, "%d", i);
        snprintf(text, sizeof text, "main");
        if (i < STORM)
            log_line(STDOUT_FILENO, text, atoi(block));
        free(block);
    }
    report("storm", "over");
}

int main(int argc, char *argv[])
{
    static const struct {
        const char *name;
        void (*run)(void);
    } MODES[] = {{"texts", texts},     {"interrupted", interrupted}, {"entered", entered}, {"parted", parted}, {"refused", refused},
                 {"watched", watched}, {"mask", mask},               {"gone", gone},       {"storm", storm}};
    handle(SIGUSR1);
    handle(SIGRTMIN);
    for (size_t i = 0; argc == 2 && i < sizeof MODES / sizeof *MODES; i++)
        if (strcmp(argv[1], MODES[i].name) == 0) {
            MODES[i].run();
            return 0;
        }
    return 2;
}
