/*
 * Stopped, and continued: a process held still from outside, without having a say in it.
 *
 * Shown: SIGSTOP cannot be caught, ignored or blocked, SIGTSTP can; the parent is told of both stop
 * and continuation; a stopped process does nothing, and signals wait for it, except SIGKILL;
 * SIGCONT continues even a process that ignores it.
 *
 * Man pages: signal(7), waitpid(2) WUNTRACED and WCONTINUED, sigaction(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void nothing(int number)
{
    (void)number;
}

static const char *arrange(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) == 0)
        return "allowed";
    return errno == EINVAL ? "blocked (EINVAL)" : "blocked (another errno)";
}

/* Blocks all that can be blocked but SIGTERM, ignores SIGCONT, and answers bytes. */
static _Noreturn void be_worker(int link)
{
    sigset_t set;
    char byte = 'r';
    sigfillset(&set);
    sigdelset(&set, SIGTERM);
    if (sigprocmask(SIG_SETMASK, &set, NULL) == -1)
        die("sigprocmask");
    arrange(SIGCONT, SIG_IGN);
    do {
        if (write(link, &byte, 1) != 1)
            die("write");
    } while (read(link, &byte, 1) == 1);
    _exit(0);
}

static pid_t start_worker(int *link)
{
    int ends[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        be_worker(ends[1]);
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        die("the worker did not start");
    *link = ends[0];
    return pid;
}

static void notify(pid_t pid, int number)
{
    if (kill(pid, number) == -1)
        die("kill");
}

static int next_change(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, WUNTRACED | WCONTINUED) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

/* The letter of /proc/PID/stat: T is stopped. It follows the last ')', for a name may have one. */
static char state_of(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path);
    const char *end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    fclose(file);
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

static bool answers(int link)
{
    char byte = 'q';
    if (write(link, &byte, 1) != 1)
        die("write");
    return read(link, &byte, 1) == 1;
}

/* Not by waiting for silence: a stopped process has no turn, and /proc says that it is stopped. */
static bool silent(int link)
{
    char byte;
    return recv(link, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

static void observe_worker(pid_t pid, int link)
{
    notify(pid, SIGSTOP); /* which it has "blocked" */
    int status = next_change(pid);
    printf("\"told_of_stop\": %s, \"state\": \"%c\", ",
           json(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP), state_of(pid));
    if (write(link, "q", 1) != 1)
        die("write");
    printf("\"silent\": %s, ", json(state_of(pid) == 'T' && silent(link)));
    notify(pid, SIGCONT);
    status = next_change(pid);
    char byte;
    bool resumed = read(link, &byte, 1) == 1 && answers(link);
    printf("\"told_of_continue\": %s, \"resumed\": %s, ", json(WIFCONTINUED(status)),
           json(resumed));
}

/* A signal to a stopped process waits; is it dead before or after it is continued? */
static void observe_pending(pid_t pid)
{
    notify(pid, SIGSTOP);
    next_change(pid);
    notify(pid, SIGTERM);
    char meanwhile = state_of(pid);
    notify(pid, SIGCONT);
    int status = next_change(pid);
    while (!WIFSIGNALED(status) && !WIFEXITED(status))
        status = next_change(pid);
    printf("\"term_while_stopped\": \"%s\", ", meanwhile == 'T' ? "waits" : "acts");
    printf("\"term_after_continue\": %s, ", json(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
}

static void observe_kill(void)
{
    int link;
    pid_t pid = start_worker(&link);
    notify(pid, SIGSTOP);
    next_change(pid);
    notify(pid, SIGKILL);
    int status = next_change(pid);
    printf("\"kill_while_stopped\": \"%s\"}\n",
           WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "acts" : "waits");
    close(link);
}

int main(void)
{
    int link;
    const char *stop = arrange(SIGSTOP, nothing);
    const char *ignore = arrange(SIGSTOP, SIG_IGN);
    const char *tstp = arrange(SIGTSTP, nothing);
    pid_t pid = start_worker(&link); /* nothing is in stdout's buffer yet */
    printf("{\"catch_stop\": \"%s\", \"ignore_stop\": \"%s\", \"catch_tstp\": \"%s\", ", stop,
           ignore, tstp);
    fflush(stdout);
    observe_worker(pid, link);
    observe_pending(pid);
    close(link);
    fflush(stdout);
    observe_kill();
    return 0;
}
