/*
 * Check a flag, then wait for the signal that sets it: between the two it may come, and is missed.
 *
 * To show it on every run, the signal arrives just there by construction: it is raised on the line
 * between the check and the wait. Then three ways without the gap: sigsuspend(), ppoll() and a
 * signalfd. Each runs in a child; a child that sleeps on is ended by its own alarm.
 *
 * Man pages: sigsuspend(2) "NOTES", pause(2), select_tut(2), ppoll(2), signalfd(2), alarm(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHORT = 1, LONG = 60 }; /* seconds of patience */

static volatile sig_atomic_t arrived;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void handle(int number)
{
    (void)number;
    arrived = 1;
}

static void install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
}

/* Returns the mask as it was before, without SIGUSR1: the one to wait with. */
static sigset_t block(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, &before) == -1)
        die("sigprocmask");
    return before;
}

/* In life another process sends it, once in a million runs at exactly this moment. */
static void the_signal_comes_now(void)
{
    if (raise(SIGUSR1) != 0)
        die("raise");
}

/* The flaw: after the check and before pause() nobody is looking. */
static void by_pause(void)
{
    alarm(SHORT);
    if (!arrived) {
        the_signal_comes_now();
        pause();
    }
}

/* Blocked while we check; sigsuspend() unblocks and waits in one step. */
static void by_sigsuspend(void)
{
    alarm(LONG);
    sigset_t unblocked = block();
    while (!arrived) {
        the_signal_comes_now();
        sigsuspend(&unblocked);
    }
}

/* The same together with descriptors (none here). */
static void by_ppoll(void)
{
    alarm(LONG);
    sigset_t unblocked = block();
    while (!arrived) {
        the_signal_comes_now();
        if (ppoll(NULL, 0, NULL, &unblocked) == -1 && errno != EINTR)
            die("ppoll");
    }
}

/* No handler at all: a pending signal makes a descriptor readable, and stays until it is read. */
static void by_signalfd(void)
{
    struct signalfd_siginfo info;
    sigset_t set;
    alarm(LONG);
    block();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd == -1)
        die("signalfd");
    the_signal_comes_now();
    struct pollfd wait_for = {.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&wait_for, 1, -1) != 1 || read(fd, &info, sizeof info) != sizeof info)
        die("reading the signal");
    if (info.ssi_signo != SIGUSR1)
        _exit(1);
}

static const char *fate_of(void (*wait)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        install();
        wait();
        _exit(0);
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return "slept on";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "woke up" : "failed";
}

int main(void)
{
    const char *paused = fate_of(by_pause);
    const char *suspended = fate_of(by_sigsuspend);
    const char *polled = fate_of(by_ppoll);
    const char *read_it = fate_of(by_signalfd);
    printf("with pause the child %s, with sigsuspend it %s\n", paused, suspended);
    printf("{\"with_pause\": \"%s\", \"with_sigsuspend\": \"%s\", ", paused, suspended);
    printf("\"with_ppoll\": \"%s\", \"with_signalfd\": \"%s\"}\n", polled, read_it);
    return 0;
}
