/*
 * Signal masks: what is held back, what stays pending, and what a new program inherits.
 *
 * Shown: a blocked signal is pending, once, until it is unblocked; SIGKILL and SIGSTOP cannot be
 * blocked; fork() inherits mask and handlers, not what is pending; execve() keeps the mask, what is
 * ignored and what is pending, and resets handlers, for their code is gone.
 *
 * Man pages: sigprocmask(2), sigpending(2), signal(7), fork(2), execve(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals that have the same number on every architecture, as masks in /proc go by numbers. */
enum { BLOCKED = SIGTERM, IGNORED = SIGHUP, HANDLED = SIGALRM };

static volatile sig_atomic_t handled;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void count(int number)
{
    (void)number;
    handled = handled + 1;
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

static void change_mask(int how, int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    if (sigprocmask(how, &set, NULL) == -1)
        die("sigprocmask");
}

static bool is_pending(int number)
{
    sigset_t set;
    if (sigpending(&set) == -1)
        die("sigpending");
    return sigismember(&set, number) == 1;
}

static bool is_blocked(int number)
{
    sigset_t set;
    if (sigprocmask(SIG_BLOCK, NULL, &set) == -1)
        die("sigprocmask");
    return sigismember(&set, number) == 1;
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static void hold_and_release(void)
{
    arrange(BLOCKED, count);
    change_mask(SIG_BLOCK, BLOCKED);
    raise(BLOCKED);
    raise(BLOCKED);
    int before = handled;
    bool pending = is_pending(BLOCKED);
    change_mask(SIG_UNBLOCK, BLOCKED);
    printf("\"handled_while_blocked\": %d, \"pending\": %s, \"handled_after\": %d, ", before,
           json(pending), (int)handled);
}

/* sigprocmask() does not complain about them; it leaves them out. */
static void block_everything(void)
{
    sigset_t all, before;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) == -1)
        die("sigprocmask");
    bool kill_blocked = is_blocked(SIGKILL), stop_blocked = is_blocked(SIGSTOP);
    bool term_blocked = is_blocked(SIGTERM);
    if (sigprocmask(SIG_SETMASK, &before, NULL) == -1)
        die("sigprocmask");
    printf("\"block_term\": %s, \"block_kill\": %s, \"block_stop\": %s, ", json(term_blocked),
           json(kill_blocked), json(stop_blocked));
}

/* The child tells by its exit status, a bit for each. */
static void look_after_fork(void)
{
    change_mask(SIG_BLOCK, BLOCKED);
    raise(BLOCKED);
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        _exit((is_blocked(BLOCKED) ? 1 : 0) | (is_pending(BLOCKED) ? 2 : 0));
    int status = wait_for(pid);
    printf("\"fork_mask\": %s, \"fork_pending\": %s, ", json(WEXITSTATUS(status) & 1),
           json(WEXITSTATUS(status) & 2));
}

/* A mask of /proc/PID/status, as `cat` prints its own, and whether `number` is in it. */
static bool listed(const char *text, const char *field, int number)
{
    const char *found = strstr(text, field);
    unsigned long long mask = found != NULL ? strtoull(found + strlen(field), NULL, 16) : 0;
    return (mask >> (number - 1) & 1) != 0;
}

static void read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            die("read");
        length += (size_t)got;
    }
    text[length] = '\0';
}

/* Becomes `cat`, which shows what it inherited. */
static _Noreturn void exec_cat(int output)
{
    if (dup2(output, STDOUT_FILENO) == -1)
        die("dup2");
    raise(BLOCKED); /* the child of fork() begins with nothing pending */
    execl("/bin/cat", "cat", "/proc/self/status", (char *)NULL);
    die("/bin/cat");
}

static void look_after_exec(void)
{
    char text[4096];
    int ends[2];
    arrange(IGNORED, SIG_IGN);
    arrange(HANDLED, count);
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        exec_cat(ends[1]);
    close(ends[1]);
    read_all(ends[0], text, sizeof text);
    close(ends[0]);
    wait_for(pid);
    printf("\"exec_mask\": %s, \"exec_ignored\": %s, ", json(listed(text, "SigBlk:", BLOCKED)),
           json(listed(text, "SigIgn:", IGNORED)));
    printf("\"exec_handler\": %s, \"exec_pending\": %s}\n", json(listed(text, "SigCgt:", HANDLED)),
           json(listed(text, "SigPnd:", BLOCKED) || listed(text, "ShdPnd:", BLOCKED)));
}

int main(void)
{
    printf("{");
    hold_and_release();
    block_everything();
    fflush(stdout); /* nothing buffered that fork() could print twice */
    look_after_fork();
    fflush(stdout);
    look_after_exec();
    return 0;
}
