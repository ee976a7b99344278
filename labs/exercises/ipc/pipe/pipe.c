/*
 * Hello, Pipe! What a pipe promises between a parent and its child.
 *
 * Shown: bytes go in at one end and come out at the other in order; the reader sees end-of-file
 * only when the last write end is closed, so every process closes the ends it does not use;
 * writing without a reader raises SIGPIPE; a pipe is one-way, so a conversation takes two.
 *
 * Man pages: pipe(2), pipe(7), fork(2), read(2), write(2), signal(7).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, TEXT_SIZE = 32 };

static const char GREETING[] = "Hello, Pipe!";

/* What the reading child found out, sent to the parent in one piece. */
struct report {
    int bytes;
    bool saw_end;
    char text[TEXT_SIZE];
};

/* _exit, not exit: children come here too, and must not run what belongs to the parent. */
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *errno_name(int error)
{
    switch (error) {
    case EAGAIN: return "EAGAIN";
    case EPIPE: return "EPIPE";
    case EPERM: return "EPERM";
    default: return "another error";
    }
}

static ssize_t read_some(int fd, void *buffer, size_t size)
{
    ssize_t n;
    do
        n = read(fd, buffer, size);
    while (n == -1 && errno == EINTR);
    return n;
}

static void write_all(int fd, const void *buffer, size_t size)
{
    const char *next = buffer;
    while (size > 0) {
        ssize_t n = write(fd, next, size);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("write");
        next += n;
        size -= (size_t)n;
    }
}

static void make_pipe(int ends[2], int flags)
{
    if (pipe2(ends, O_CLOEXEC | flags) == -1)
        die("pipe2");
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static void expect_success(pid_t child)
{
    int status = wait_for(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "a child failed\n");
        _exit(1);
    }
}

/* One read() may return less than was written: only end-of-file says that this was all. */
static _Noreturn void read_greeting(int from, int report_to)
{
    struct report report;
    size_t length = 0;
    ssize_t n;

    memset(&report, 0, sizeof report);
    while ((n = read_some(from, report.text + length, TEXT_SIZE - 1 - length)) > 0)
        length += (size_t)n;
    if (n == -1)
        die("read");
    report.bytes = (int)length;
    report.saw_end = length < TEXT_SIZE - 1;
    write_all(report_to, &report, sizeof report);
    _exit(0);
}

/* Parent writes, child reads; what the child saw comes back as a report. */
static struct report say_hello(void)
{
    int hello[2], answer[2];
    struct report report;

    make_pipe(hello, 0);
    make_pipe(answer, 0);
    pid_t child = start_child();
    if (child == 0) {
        close_end(hello[WRITE_END]); /* or we would wait for our own end-of-file */
        close_end(answer[READ_END]);
        read_greeting(hello[READ_END], answer[WRITE_END]);
    }
    close_end(hello[READ_END]);
    close_end(answer[WRITE_END]);
    write_all(hello[WRITE_END], GREETING, strlen(GREETING));
    close_end(hello[WRITE_END]); /* this is what the child sees as end-of-file */
    if (read_some(answer[READ_END], &report, sizeof report) != (ssize_t)sizeof report)
        die("the child's report");
    close_end(answer[READ_END]);
    expect_success(child);
    return report;
}

static _Noreturn void shout_back(int from, int to)
{
    char c;
    ssize_t n;
    while ((n = read_some(from, &c, 1)) == 1) {
        c = (char)toupper((unsigned char)c);
        write_all(to, &c, 1);
    }
    if (n == -1)
        die("read");
    _exit(0);
}

/* Two pipes: with one, a process could read back its own words. */
static void round_trip(char reply[TEXT_SIZE])
{
    int there[2], back[2];
    size_t length = 0;
    ssize_t n;

    make_pipe(there, 0);
    make_pipe(back, 0);
    pid_t child = start_child();
    if (child == 0) {
        close_end(there[WRITE_END]);
        close_end(back[READ_END]);
        shout_back(there[READ_END], back[WRITE_END]);
    }
    close_end(there[READ_END]);
    close_end(back[WRITE_END]);
    write_all(there[WRITE_END], GREETING, strlen(GREETING));
    close_end(there[WRITE_END]);
    while ((n = read_some(back[READ_END], reply + length, TEXT_SIZE - 1 - length)) > 0)
        length += (size_t)n;
    if (n == -1)
        die("read");
    reply[length] = '\0';
    close_end(back[READ_END]);
    expect_success(child);
}

/* A blocking read would wait here for ever; O_NONBLOCK makes the kernel say so instead. */
static const char *read_empty(void)
{
    int ends[2];
    char c;

    make_pipe(ends, O_NONBLOCK);
    ssize_t n = read_some(ends[READ_END], &c, 1);
    const char *answer = n == -1 ? errno_name(errno) : "end of file";
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
    return answer;
}

/*
 * The mistake, made on purpose: the reader keeps its own copy of the write end. The only real
 * writer is gone, yet the kernel counts one write end, and end-of-file never comes.
 */
static const char *read_with_forgotten_end(void)
{
    int ends[2];
    char c;

    make_pipe(ends, O_NONBLOCK);
    pid_t writer = start_child();
    if (writer == 0)
        _exit(0); /* exiting closes the child's copies of both ends */
    expect_success(writer);
    ssize_t n = read_some(ends[READ_END], &c, 1);
    const char *answer = n == -1 ? errno_name(errno) : "end of file";
    close_end(ends[WRITE_END]);
    close_end(ends[READ_END]);
    return answer;
}

/* The disposition and the mask are inherited, so neither can be taken for granted. */
static void set_sigpipe(void (*disposition)(int))
{
    sigset_t set;
    if (signal(SIGPIPE, disposition) == SIG_ERR)
        die("signal");
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) == -1)
        die("sigprocmask");
}

static const char *write_without_reader(void)
{
    int ends[2];
    make_pipe(ends, 0);
    close_end(ends[READ_END]);
    ssize_t n = write(ends[WRITE_END], "x", 1);
    const char *answer = n == -1 ? errno_name(errno) : "written";
    close_end(ends[WRITE_END]);
    return answer;
}

/* The default action of SIGPIPE ends the process, so a child takes the blow. */
static const char *die_without_reader(void)
{
    pid_t child = start_child();
    if (child == 0) {
        set_sigpipe(SIG_DFL);
        write_without_reader();
        _exit(0);
    }
    int status = wait_for(child);
    if (!WIFSIGNALED(status))
        return "none";
    return WTERMSIG(status) == SIGPIPE ? "SIGPIPE" : "another signal";
}

int main(void)
{
    char reply[TEXT_SIZE];

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    struct report hello = say_hello();
    printf("the child read %d bytes: %s\n", hello.bytes, hello.text);
    round_trip(reply);
    printf("over two pipes it answered: %s\n", reply);
    const char *empty = read_empty();
    const char *forgotten = read_with_forgotten_end();
    const char *killed_by = die_without_reader();
    set_sigpipe(SIG_IGN);
    const char *broken = write_without_reader();

    printf("{\"bytes\": %d, \"text\": \"%s\", \"eof_after_close\": %s, \"roundtrip\": \"%s\", ",
           hello.bytes, hello.text, hello.saw_end ? "true" : "false", reply);
    printf("\"empty_read\": \"%s\", \"forgotten_end\": \"%s\", ", empty, forgotten);
    printf("\"sigpipe\": \"%s\", \"sigpipe_ignored\": \"%s\"}\n", killed_by, broken);
    return 0;
}
