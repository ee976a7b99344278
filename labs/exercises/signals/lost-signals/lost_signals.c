/*
 * Signals get lost: standard ones do not queue. Real-time ones do, up to a limit.
 *
 * Shown: 100 signals to a process that blocks them are handled once, or 100 times if they are
 * real-time ones, in the order in which they were sent; lower numbers come first; and what happens
 * when the queue is full.
 *
 * Man pages: signal(7) "Real-time signals", sigqueue(3), sigprocmask(2), setrlimit(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 100 };

static volatile sig_atomic_t handled;
static volatile sig_atomic_t in_order;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* The n-th signal was sent with the value n. */
static void count(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (info->si_code == SI_QUEUE && info->si_value.sival_int != handled)
        in_order = 0;
    handled = handled + 1;
}

static void handle(int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = count;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) == -1)
        die("sigaction");
}

static void set_blocked(int number, bool blocked)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    if (sigprocmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL) == -1)
        die("sigprocmask");
}

/* Unblocking delivers what is pending before sigprocmask() returns. */
static int send_many(int number, bool blocked)
{
    handled = 0;
    in_order = 1;
    handle(number);
    if (blocked)
        set_blocked(number, true);
    for (int i = 0; i < MANY; i++) {
        union sigval value = {.sival_int = i};
        if (sigqueue(getpid(), number, value) == -1)
            die("sigqueue");
    }
    set_blocked(number, false);
    return handled;
}

/* The higher number is sent first. Which is taken first? */
static bool lower_comes_first(void)
{
    union sigval none = {.sival_int = 0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    if (sigqueue(getpid(), SIGRTMIN + 1, none) == -1 || sigqueue(getpid(), SIGRTMIN, none) == -1)
        die("sigqueue");
    int first = sigwaitinfo(&set, NULL);
    int second = sigwaitinfo(&set, NULL);
    return first == SIGRTMIN && second == SIGRTMIN + 1;
}

static const char *verdict(int result)
{
    if (result == 0)
        return "allowed";
    return errno == EAGAIN ? "blocked (EAGAIN)" : "blocked (another errno)";
}

/* In a child, for the limit cannot be raised again. Standard signals need no room in the queue. */
static _Noreturn void send_without_queue(void)
{
    struct rlimit none = {0, 0};
    union sigval value = {.sival_int = 0};
    if (setrlimit(RLIMIT_SIGPENDING, &none) == -1)
        die("setrlimit");
    set_blocked(SIGRTMIN, true);
    set_blocked(SIGUSR1, true);
    const char *realtime = verdict(sigqueue(getpid(), SIGRTMIN, value));
    const char *standard = verdict(kill(getpid(), SIGUSR1));
    printf("\"queue_full\": \"%s\", \"queue_full_standard\": \"%s\"}\n", realtime, standard);
    fflush(stdout);
    _exit(0);
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    int status;
    int standard = send_many(SIGUSR1, true);
    int standard_open = send_many(SIGUSR1, false);
    int realtime = send_many(SIGRTMIN, true);
    bool ordered = in_order;
    printf("of %d SIGUSR1: %d handled; of %d SIGRTMIN: %d\n", MANY, standard, MANY, realtime);
    printf("{\"standard_blocked\": %d, \"standard_unblocked\": %d, ", standard, standard_open);
    printf("\"realtime_blocked\": %d, \"realtime_in_order\": %s, \"lower_first\": %s, ", realtime,
           json(ordered), json(lower_comes_first()));
    fflush(stdout); /* the child completes the line */
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        send_without_queue();
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
