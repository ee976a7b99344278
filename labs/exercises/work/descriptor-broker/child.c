/*
 * A child process that is not trusted; see child.h.
 *
 * Man pages: pipe(2), poll(2), pidfd_open(2), prctl(2), waitpid(2).
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHOWN_OF_STDERR = 512 };

_Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* children come here too, and must not print what the parent has buffered */
}

void be_opaque(void)
{
    /* A process that is not dumpable has /proc files of root's and cannot be traced: ptrace(2). */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("PR_SET_DUMPABLE");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("SIGPIPE");
}

void close_end(int *fd)
{
    if (*fd != -1 && close(*fd) == -1)
        die("close");
    *fd = -1;
}

static _Noreturn void become(char *const argv[], int in, int out, int err, void (*prepare)(void))
{
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        die("SIGPIPE");
    if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
        dup2(err, STDERR_FILENO) == -1)
        die("dup2");
    if (prepare != NULL)
        prepare();
    execv(argv[0], argv);
    die(argv[0]);
}

struct child start_child(char *const argv[], void (*prepare)(void))
{
    int in[2], out[2], err[2];
    if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        become(argv, in[0], out[1], err[1], prepare);
    close_end(&in[0]);
    close_end(&out[1]);
    close_end(&err[1]);
    /* It need not take what we say: then write(2) must not hold us. */
    if (fcntl(in[1], F_SETFL, O_NONBLOCK) == -1)
        die("fcntl");
    return (struct child){.pid = pid, .in = in[1], .out = out[0], .err = err[0]};
}

/* Whether the descriptor has become ready, within our patience. */
static bool ready(int fd, short events)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    int count;
    do
        count = poll(&wanted, 1, PATIENCE_MS);
    while (count == -1 && errno == EINTR);
    if (count == -1)
        die("poll");
    return count == 1;
}

bool tell(int fd, const void *bytes, size_t count)
{
    const char *next = bytes;
    while (count > 0) {
        if (!ready(fd, POLLOUT))
            return false;
        ssize_t done = write(fd, next, count);
        if (done == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (done == -1 && errno == EPIPE)
            return false;
        if (done == -1)
            die("write");
        next += done;
        count -= (size_t)done;
    }
    return true;
}

/* Up to `room` bytes; 0 at the end and after too long a silence. */
static size_t hear_some(int fd, char *text, size_t room)
{
    for (;;) {
        if (!ready(fd, POLLIN))
            return 0;
        ssize_t got = read(fd, text, room);
        if (got >= 0)
            return (size_t)got;
        if (errno == ECONNRESET)
            return 0;
        if (errno != EINTR && errno != EAGAIN)
            die("read");
    }
}

size_t hear(int fd, char *text, size_t size)
{
    size_t length = 0, got;
    while (length < size - 1 && (got = hear_some(fd, text + length, size - 1 - length)) > 0)
        length += got;
    text[length] = '\0';
    return length;
}

size_t hear_line(int fd, char *text, size_t size)
{
    size_t length = 0;
    while (length < size - 1 && hear_some(fd, text + length, 1) > 0)
        if (text[length++] == '\n')
            break;
    text[length] = '\0';
    return length;
}

/* Waits for its end without taking it; kills it when that is too long in coming. */
static void wait_or_kill(pid_t pid)
{
    int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    if (handle == -1)
        die("pidfd_open");
    if (!ready(handle, POLLIN) && kill(pid, SIGKILL) == -1)
        die("kill");
    close_end(&handle);
}

int end_child(struct child *child)
{
    char said[SHOWN_OF_STDERR];
    int status;

    close_end(&child->in);
    close_end(&child->out);
    if (hear(child->err, said, sizeof said) > 0)
        fprintf(stderr, "%s\n", said);
    close_end(&child->err);
    wait_or_kill(child->pid);
    while (waitpid(child->pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}
