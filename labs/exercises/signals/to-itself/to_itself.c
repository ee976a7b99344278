/*
 * Signals that a process sends to itself: raise(), abort(), alarm().
 *
 * Shown: raise() returns after the handler did; abort() ends the process although SIGABRT is
 * ignored, blocked or handled, unless the handler does not return; alarm() is a signal later.
 *
 * Man pages: raise(3), abort(3), alarm(2), sigsetjmp(3), signal(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static sigjmp_buf way_out;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void handle(int number)
{
    (void)number;
    handled = 1;
}

/* Allowed, because what it leaves (abort, called by our own code) may be left: sigsetjmp(3). */
static void leave(int number)
{
    siglongjmp(way_out, number);
}

static void arrange(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) == -1)
        die("sigaction");
}

static void raise_default(void)
{
    raise(SIGTERM);
}

/* Ends with status 0 if the handler had run when raise() returned. */
static void raise_handled(void)
{
    arrange(SIGUSR1, handle);
    raise(SIGUSR1);
    _exit(handled ? 0 : 1);
}

static void abort_default(void)
{
    abort();
}

static void abort_ignored(void)
{
    arrange(SIGABRT, SIG_IGN);
    abort();
}

static void abort_blocked(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    abort();
}

static void abort_handled(void)
{
    arrange(SIGABRT, handle);
    abort();
}

static void abort_left(void)
{
    arrange(SIGABRT, leave);
    if (sigsetjmp(way_out, 1) == 0)
        abort();
    _exit(0);
}

static void alarm_default(void)
{
    alarm(1);
    for (;;)
        pause();
}

/* SIGABRT dumps core. The limit does not bind a core handler program; being undumpable does. */
static void forbid_core(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("forbidding a core dump");
}

static const char *describe(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 0 ? "lives on" : "failed";
    switch (WTERMSIG(status)) {
    case SIGTERM: return "SIGTERM";
    case SIGABRT: return "SIGABRT";
    case SIGALRM: return "SIGALRM";
    default: return "another signal";
    }
}

/* In a child of its own; how did that end? */
static const char *fate_of(void (*deed)(void), const char *name)
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        forbid_core();
        deed();
        _exit(1); /* the signal did not end us */
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    printf("%s: %s\n", name, describe(status));
    return describe(status);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *plain = fate_of(raise_default, "raise(SIGTERM)");
    const char *caught = fate_of(raise_handled, "raise() with a handler");
    const char *usual = fate_of(abort_default, "abort()");
    const char *ignored = fate_of(abort_ignored, "abort(), SIGABRT ignored");
    const char *blocked = fate_of(abort_blocked, "abort(), SIGABRT blocked");
    const char *returned = fate_of(abort_handled, "abort(), handler returns");
    const char *left = fate_of(abort_left, "abort(), handler jumps out");
    const char *later = fate_of(alarm_default, "alarm(1)");
    printf("{\"raise_default\": \"%s\", \"raise_handled\": \"%s\", ", plain, caught);
    printf("\"abort_default\": \"%s\", \"abort_ignored\": \"%s\", ", usual, ignored);
    printf("\"abort_blocked\": \"%s\", \"abort_handled\": \"%s\", ", blocked, returned);
    printf("\"abort_left\": \"%s\", \"alarm_default\": \"%s\"}\n", left, later);
    return 0;
}
