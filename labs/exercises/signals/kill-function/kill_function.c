/*
 * kill(): to a process, to a group, to one's own group, to oneself, and with signal 0.
 *
 * Shown: what the first argument means; that signal 0 sends nothing but still tells whether the
 * target exists and may be signalled; a zombie still exists; the errors ESRCH, EPERM, EINVAL.
 *
 * Man pages: kill(2), signal(7), waitpid(2), setpgid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(int result)
{
    if (result == 0)
        return "allowed";
    switch (errno) {
    case EINVAL: return "blocked (EINVAL)";
    case EPERM: return "blocked (EPERM)";
    case ESRCH: return "blocked (ESRCH)";
    default: return "blocked (another errno)";
    }
}

static pid_t start_sleeper(pid_t group)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        for (;;)
            pause();
    /* By the parent, so that it is done when fork's caller goes on; 0: a group of its own. */
    if (group != -1 && setpgid(pid, group) == -1)
        die("setpgid");
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static bool ended_by(pid_t pid, int number)
{
    int status = wait_for(pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

static bool one_process(void)
{
    pid_t pid = start_sleeper(-1);
    if (kill(pid, SIGTERM) == -1)
        die("kill");
    return ended_by(pid, SIGTERM);
}

/* A negative number names a group. How many of its two members end? */
static int a_group(void)
{
    pid_t first = start_sleeper(0);
    pid_t second = start_sleeper(first);
    if (kill(-first, SIGTERM) == -1)
        die("kill");
    return ended_by(first, SIGTERM) + ended_by(second, SIGTERM);
}

/* The child leads a group of its own, lest kill(0, ...) reach whoever started us. */
static _Noreturn void signal_own_group(void)
{
    if (setpgid(0, 0) == -1)
        die("setpgid");
    start_sleeper(-1); /* has the pipe's end open, as we have */
    kill(0, SIGTERM);
    _exit(1); /* not reached */
}

/* 0 is the caller's group, the caller included. The pipe ends when all have ended. */
static bool own_group(void)
{
    int ends[2];
    char nothing;
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        signal_own_group();
    }
    close(ends[1]);
    bool caller_ended = ended_by(pid, SIGTERM);
    bool all_ended = read(ends[0], &nothing, 1) == 0;
    close(ends[0]);
    return caller_ended && all_ended;
}

static void handle(int number)
{
    (void)number;
    handled = 1;
}

/* In a process of one thread, an unblocked signal to itself has come when kill() returns. */
static bool oneself(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1 || kill(getpid(), SIGUSR1) == -1)
        die("signalling myself");
    return handled == 1;
}

struct life {
    const char *alive, *zombie, *reaped;
};

/* A child that ended stays a zombie, whose number is taken, until somebody waits for it. */
static struct life existence(void)
{
    struct life seen;
    siginfo_t info;
    pid_t pid = start_sleeper(-1);
    seen.alive = verdict(kill(pid, 0));
    if (kill(pid, SIGKILL) == -1)
        die("kill");
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == -1)
        if (errno != EINTR)
            die("waitid");
    seen.zombie = verdict(kill(pid, 0));
    wait_for(pid);
    seen.reaped = verdict(kill(pid, 0)); /* numbers are not given out again at once */
    return seen;
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    bool process = one_process();
    int group = a_group();
    bool own = own_group();
    bool self = oneself();
    struct life life = existence();
    printf("process %d, group %d of 2, own group %d, myself %d\n", process, group, own, self);
    printf("{\"to_process\": %s, \"to_group\": %d, \"to_own_group\": %s, \"to_itself\": %s, ",
           json(process), group, json(own), json(self));
    printf("\"zero_alive\": \"%s\", \"zero_zombie\": \"%s\", \"zero_reaped\": \"%s\", ",
           life.alive, life.zombie, life.reaped);
    printf("\"to_process_1\": \"%s\", ", verdict(kill(1, 0)));
    printf("\"no_such_signal\": \"%s\"}\n", verdict(kill(getpid(), _NSIG + 1)));
    return 0;
}
