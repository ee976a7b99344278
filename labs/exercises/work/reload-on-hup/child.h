/*
 * child.h - the program under test as a child of a tester, which does not trust it.
 *
 * It talks over three pipes of its own and never holds our standard output. How much is read of it is
 * bounded, and so is how long it may be silent: PATIENCE is for programs that hang, and far more
 * than the slowest machine needs. A program that hung once is waited for less from then on, so that
 * the tests come to their end. We cannot be traced or written into: guard().
 *
 * Man pages: prctl(2), pipe(2), poll(2), signal(7), setpgid(2), waitid(2).
 */
#ifndef CHILD_H
#define CHILD_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 60000, LESS_PATIENCE = 20000 }; /* milliseconds */
enum { LONGEST = 256 };                            /* bytes of a line, its end included */

static int patience = PATIENCE;

/* What is read line by line. */
struct source {
    int fd;
    bool silent; /* nothing came for too long */
    size_t begin, end;
    char data[4096]; /* read, but not yet asked for */
};

struct child {
    pid_t pid;
    int to; /* its standard input; -1 when closed */
    struct source out, log; /* its standard output and standard error */
};

static inline _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static inline void close_fd(int fd)
{
    if (close(fd) == -1)
        die("close");
}

/* The program runs as the same user: without this it could open our descriptors or trace us. */
static inline void guard(void)
{
    if (prctl(PR_SET_DUMPABLE, 0) == -1)
        die("prctl");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
}

/* `prepare` runs in the child, before the program; it may be NULL. */
static inline struct child start_prepared(char *const argv[], void (*prepare)(void))
{
    int in[2], out[2], log[2];
    struct child child = {.to = -1};
    if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1 || pipe2(log, O_CLOEXEC) == -1)
        die("pipe2");
    child.pid = fork();
    if (child.pid == -1)
        die("fork");
    if (child.pid == 0) {
        if (dup2(in[0], STDIN_FILENO) == -1 || dup2(out[1], STDOUT_FILENO) == -1 ||
            dup2(log[1], STDERR_FILENO) == -1)
            die("dup2");
        if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || setpgid(0, 0) == -1)
            die("signal, setpgid");
        if (prepare != NULL)
            prepare();
        execv(argv[0], argv);
        die(argv[0]);
    }
    close_fd(in[0]);
    close_fd(out[1]);
    close_fd(log[1]);
    child.to = in[1];
    child.out.fd = out[0];
    child.log.fd = log[0];
    return child;
}

/* False at the end of what can be read, and when nothing comes for too long. */
static inline bool fill(struct source *source)
{
    struct pollfd event = {.fd = source->fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&event, 1, patience);
        if (ready == -1 && errno == EINTR)
            continue;
        if (ready == -1)
            die("poll");
        if (ready == 0) {
            source->silent = true;
            patience = LESS_PATIENCE;
            return false;
        }
        ssize_t n = read(source->fd, source->data, sizeof source->data);
        if (n == -1 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n == -1 && errno == ECONNRESET)
            n = 0; /* a socket whose other end went with bytes unread: unix(7) */
        if (n == -1)
            die("read");
        source->begin = 0;
        source->end = (size_t)n;
        return n > 0;
    }
}

/* The next line, without its end; what is longer than LONGEST is cut. False if none came. */
static inline bool line_from(struct source *source, char line[LONGEST])
{
    size_t length = 0;
    for (;;) {
        if (source->begin == source->end && !fill(source)) {
            line[length] = '\0';
            return false;
        }
        char byte = source->data[source->begin++];
        if (byte == '\n')
            break;
        if (length < LONGEST - 1)
            line[length++] = byte;
    }
    line[length] = '\0';
    return true;
}

/* The beginning of what it said on standard error, for a person to read. */
static inline void pass_on(const struct source *log)
{
    char words[4096];
    if (fcntl(log->fd, F_SETFL, O_NONBLOCK) == -1)
        die("fcntl");
    ssize_t n = read(log->fd, words, sizeof words);
    if (n > 0)
        fwrite(words, 1, (size_t)n, stderr);
}

/*
 * How it ended. It has been told to, or closed its output; if it lives on, it is killed in the end.
 * Until it is waited for its process group is its own, so what it started is killed with it.
 */
static inline int reap(struct child *child)
{
    siginfo_t info = {.si_pid = 0};
    int status;
    for (int left = patience; info.si_pid == 0; left -= 2) {
        int options = WEXITED | WNOWAIT | (left > 0 ? WNOHANG : 0);
        if (left <= 0) {
            patience = LESS_PATIENCE;
            if (kill(child->pid, SIGKILL) == -1)
                die("kill");
        }
        if (waitid(P_PID, (id_t)child->pid, &info, options) == -1 && errno != EINTR)
            die("waitid");
        if (info.si_pid == 0 && poll(NULL, 0, 2) == -1 && errno != EINTR)
            die("poll");
    }
    if (kill(-child->pid, SIGKILL) == -1 && errno != ESRCH)
        die("kill");
    while (waitpid(child->pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    pass_on(&child->log);
    if (child->to != -1)
        close_fd(child->to);
    close_fd(child->out.fd);
    close_fd(child->log.fd);
    return status;
}

static inline int end(struct child *child)
{
    if (kill(child->pid, SIGKILL) == -1)
        die("kill");
    return reap(child);
}

/* A text in JSON: what is not printable ASCII is shown as '?', for it comes from a stranger. */
static inline void print_text(const char *name, const char *text)
{
    printf("\"%s\": \"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text < ' ' || *text > '~' ? '?' : *text);
    }
    putchar('"');
}

#endif
