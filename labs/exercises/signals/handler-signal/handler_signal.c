/*
 * signal(): a handler in one line, and what that line leaves to the C library.
 *
 * Shown: what flags this library's signal() sets, and their effect: is an interrupted read
 * restarted, does the handler stay, is the signal held meanwhile. Then what old System V did,
 * where the second signal ended the program.
 *
 * Man pages: signal(2) "Portability", sigaction(2), signal(7) "Interruption of system calls".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_US = 20 * 1000, LAST_TICK = 20 };

static volatile sig_atomic_t ticks;
static volatile sig_atomic_t held;
static int feed; /* where the last tick puts a byte; set before the handler is installed */

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

static void every(long microseconds)
{
    struct itimerval timer;
    memset(&timer, 0, sizeof timer);
    timer.it_interval.tv_usec = timer.it_value.tv_usec = microseconds;
    if (setitimer(ITIMER_REAL, &timer, NULL) == -1)
        die("setitimer");
}

/*
 * A read of an empty pipe, with SIGALRM again and again. If read() is not restarted, the first
 * tick within it ends it with EINTR; if it is, it lasts until the last tick puts a byte in.
 */
static const char *read_under_ticks(void)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    feed = ends[1];
    ticks = 0;
    if (signal(SIGALRM, tick) == SIG_ERR)
        die("signal");
    every(TICK_US);
    ssize_t got = read(ends[0], &byte, 1);
    int error = errno;
    every(0);
    close(ends[0]);
    close(ends[1]);
    if (got == 1)
        return "restarted";
    return got == -1 && error == EINTR ? "interrupted (EINTR)" : "failed otherwise";
}

static void look_at_mask(int number)
{
    sigset_t now;
    if (sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, number) == 1)
        held = 1;
}

static void nothing(int number)
{
    (void)number;
}

/* SA_RESETHAND and SA_NODEFER make a handler as System V's signal() made it. */
static _Noreturn void two_signals_as_in_system_v(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = nothing;
    action.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
    raise(SIGUSR1);
    raise(SIGUSR1);
    _exit(0);
}

static _Noreturn void two_signals_as_here(void)
{
    if (signal(SIGUSR1, nothing) == SIG_ERR)
        die("signal");
    raise(SIGUSR1);
    raise(SIGUSR1);
    _exit(0);
}

static const char *fate_of(void (*deed)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        deed();
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1)
        return "ended by it";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "handled" : "unknown";
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    struct sigaction chosen;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (signal(SIGUSR1, look_at_mask) == SIG_ERR || sigaction(SIGUSR1, NULL, &chosen) == -1)
        die("signal");
    raise(SIGUSR1);
    bool tells_previous = signal(SIGUSR1, SIG_DFL) == look_at_mask;
    const char *fate = signal(SIGKILL, nothing) == SIG_ERR && errno == EINVAL ? "blocked (EINVAL)"
                                                                              : "allowed";
    const char *reading = read_under_ticks();
    printf("a read that a signal interrupts is %s\n", reading);
    printf("{\"interrupted_read\": \"%s\", \"second_signal\": \"%s\", ", reading,
           fate_of(two_signals_as_here));
    printf("\"second_signal_system_v\": \"%s\", ", fate_of(two_signals_as_in_system_v));
    printf("\"same_signal_held\": %s, \"sa_restart\": %s, \"sa_resethand\": %s, ", json(held),
           json((chosen.sa_flags & SA_RESTART) != 0),
           json(((unsigned)chosen.sa_flags & SA_RESETHAND) != 0));
    printf("\"tells_previous\": %s, \"catch_kill\": \"%s\"}\n", json(tells_previous), fate);
    return 0;
}
