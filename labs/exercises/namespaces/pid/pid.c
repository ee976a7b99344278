/*
 * The first process of a new PID namespace is its process 1. It has two numbers, one inside
 * and one outside; it sees no parent; and it is to its namespace what init is to a
 * system: when it ends, the kernel kills everybody else in there. All in pid_namespaces(7).
 *
 *   main -- maker (unshares, gets nothing new itself) -- init (1 inside) -- orphan (2 inside)
 *
 * As an ordinary user one needs a user namespace made in the same call: user_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What init saw inside; `signal_error` is 0 or an errno. */
struct inside {
    pid_t pid;
    pid_t parent;
    int signal_error;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

static void wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        _exit(1); /* it said why on stderr */
}

/* The messages are smaller than PIPE_BUF, so they are written whole or not at all: pipe(7). */
static void send_all(int fd, const void *message, size_t size)
{
    if (write(fd, message, size) != (ssize_t)size)
        die("write");
}

/* True if a whole message came, false at the end of the stream. */
static bool receive(int fd, void *message, size_t size)
{
    ssize_t got;
    do
        got = read(fd, message, size);
    while (got == -1 && errno == EINTR);
    if (got == -1)
        die("read");
    return got == (ssize_t)size;
}

/* Blocks every signal that can be blocked: only SIGKILL and SIGSTOP remain, signal(7). */
static _Noreturn void be_orphan(int alive)
{
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) == -1)
        die("sigprocmask");
    send_all(alive, "a", 1);
    for (;;)
        pause(); /* `alive` stays open until we are killed */
}

static _Noreturn void be_init(pid_t maker, int report, int alive, int leave)
{
    struct inside seen = {.pid = getpid(), .parent = getppid()};
    seen.signal_error = kill(maker, 0) == -1 ? errno : 0;
    send_all(report, &seen, sizeof seen);
    pid_t orphan = fork();
    if (orphan == -1)
        die("fork");
    if (orphan == 0) {
        close(report);
        close(leave);
        be_orphan(alive);
    }
    char nothing;
    receive(leave, &nothing, 1);
    _exit(0);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOMEM: return "blocked (ENOMEM)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
    case ESRCH: return "blocked (ESRCH)";
    default: return "blocked (another errno)";
    }
}

/* Lets init go and waits until the orphan's end of the pipe is closed, which it never does. */
static bool orphan_dies_with_init(int alive, int leave, pid_t init)
{
    char sign = 0;
    bool was_alive = receive(alive, &sign, 1);
    close(leave);
    wait_for(init);
    return was_alive && !receive(alive, &sign, 1);
}

/* A namespace without process 1 takes no more processes. */
static const char *fork_again(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid == -1)
        return verdict(errno);
    wait_for(pid);
    return verdict(0);
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

static void show(struct inside seen, pid_t init, bool killed, const char *again)
{
    printf("inside: I am %d, my parent is %d; the process outside has no number here\n",
           (int)seen.pid, (int)seen.parent);
    printf("{\"unshare\": \"allowed\", \"pid_inside\": %d, \"parent_inside\": %d, ",
           (int)seen.pid, (int)seen.parent);
    printf("\"other_number_outside\": %s, \"signal_parent\": \"%s\", ",
           json(init != seen.pid), verdict(seen.signal_error));
    printf("\"others_killed_with_init\": %s, \"fork_after_init\": \"%s\"}\n", json(killed), again);
}

/* After unshare() it is the next child, not the caller, that is in the new namespace. */
static void demonstrate(void)
{
    int report[2], alive[2], leave[2];
    make_pipe(report);
    make_pipe(alive);
    make_pipe(leave);
    pid_t maker = getpid();
    pid_t init = fork();
    if (init == -1)
        die("fork");
    if (init == 0) {
        close(report[0]);
        close(alive[0]);
        close(leave[1]);
        be_init(maker, report[1], alive[1], leave[0]);
    }
    close(report[1]);
    close(alive[1]);
    close(leave[0]);
    struct inside seen;
    if (!receive(report[0], &seen, sizeof seen))
        _exit(1); /* init said why on stderr */
    close(report[0]);
    bool killed = orphan_dies_with_init(alive[0], leave[1], init);
    close(alive[0]);
    show(seen, init, killed, fork_again());
}

static _Noreturn void be_maker(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) == -1)
        printf("{\"unshare\": \"%s\"}\n", verdict(errno));
    else
        demonstrate();
    _exit(0); /* stdout is line-buffered, so everything is out */
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* The maker is a child, so that its number is above 1 even where we are process 1. */
    pid_t maker = fork();
    if (maker == -1)
        die("fork");
    if (maker == 0)
        be_maker();
    wait_for(maker);
    return 0;
}
