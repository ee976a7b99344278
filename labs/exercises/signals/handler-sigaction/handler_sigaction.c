/*
 * sigaction(): the handler and what one means by it.
 *
 * Shown: SA_RESTART (and that it does not help poll()), SA_SIGINFO with who sent it and how,
 * a value along with sigqueue(), SA_RESETHAND, and the previous action returned.
 *
 * Man pages: sigaction(2), signal(7), sigqueue(3), poll(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_US = 20 * 1000, LAST_TICK = 20, VALUE = 42 };

static volatile sig_atomic_t ticks;
static int feed; /* where the last tick puts a byte */

/* What the handler saw. Read only after raise(), kill() or sigqueue() to ourselves returned. */
static volatile sig_atomic_t seen_code, seen_value, sent_by_me;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void tick(int number)
{
    int saved = errno;
    (void)number;
    ticks = ticks + 1;
    if (ticks == LAST_TICK && write(feed, "x", 1) != 1)
        _exit(1);
    errno = saved;
}

static void examine(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    seen_code = info->si_code;
    seen_value = info->si_value.sival_int;
    sent_by_me = info->si_pid == getpid() && info->si_uid == getuid();
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) == -1)
        die("sigaction");
}

static void every(long microseconds)
{
    struct itimerval timer;
    memset(&timer, 0, sizeof timer);
    timer.it_interval.tv_usec = timer.it_value.tv_usec = microseconds;
    if (setitimer(ITIMER_REAL, &timer, NULL) == -1)
        die("setitimer");
}

static const char *outcome(long result)
{
    if (result == 1)
        return "restarted";
    return result == -1 && errno == EINTR ? "interrupted (EINTR)" : "failed otherwise";
}

/* Waits for a byte that the last tick brings, by read() or by poll(). */
static const char *wait_under_ticks(int flags, bool by_poll)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    struct pollfd wait_for = {.fd = ends[0], .events = POLLIN, .revents = 0};
    feed = ends[1];
    ticks = 0;
    handle(SIGALRM, tick, flags);
    every(TICK_US);
    const char *result = outcome(by_poll ? poll(&wait_for, 1, -1) : read(ends[0], &byte, 1));
    every(0);
    close(ends[0]);
    close(ends[1]);
    return result;
}

static const char *code_name(void)
{
    switch (seen_code) {
    case SI_USER: return "SI_USER";
    case SI_TKILL: return "SI_TKILL";
    case SI_QUEUE: return "SI_QUEUE";
    default: return "another code";
    }
}

static void expect_information(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = examine;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
}

static _Noreturn void two_signals_reset(void)
{
    handle(SIGUSR2, tick, (int)SA_RESETHAND);
    raise(SIGUSR2);
    if (ticks != 1)
        _exit(1);
    raise(SIGUSR2);
    _exit(0);
}

static const char *fate_after_reset(void)
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        ticks = 0;
        two_signals_reset();
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR2 ? "ended by it" : "unknown";
}

static bool previous_is_returned(void)
{
    struct sigaction action, previous;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, &previous) == -1)
        die("sigaction");
    return previous.sa_sigaction == examine && (previous.sa_flags & SA_SIGINFO) != 0;
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    union sigval value = {.sival_int = VALUE};
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("{\"read_restart\": \"%s\", ", wait_under_ticks(SA_RESTART, false));
    printf("\"read_without\": \"%s\", ", wait_under_ticks(0, false));
    printf("\"poll_restart\": \"%s\", ", wait_under_ticks(SA_RESTART, true));
    expect_information();
    if (kill(getpid(), SIGUSR1) == -1)
        die("kill");
    printf("\"by_kill\": \"%s\", \"sender_known\": %s, ", code_name(), json(sent_by_me));
    raise(SIGUSR1);
    printf("\"by_raise\": \"%s\", ", code_name());
    if (sigqueue(getpid(), SIGUSR1, value) == -1)
        die("sigqueue");
    printf("\"by_sigqueue\": \"%s\", \"value\": %d, ", code_name(), (int)seen_value);
    fflush(stdout); /* nothing buffered that fork() could print twice */
    printf("\"second_after_reset\": \"%s\", ", fate_after_reset());
    printf("\"previous_returned\": %s}\n", json(previous_is_returned()));
    return 0;
}
