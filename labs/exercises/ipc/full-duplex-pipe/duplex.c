/*
 * A pipe that works both ways: asked for as a STREAMS pipe, had as a socket pair.
 *
 * Shown: a Linux pipe carries bytes one way only; it is no STREAM (isastream() says no, the ioctl
 * I_PUSH is unknown to it), and the system does not claim the STREAMS option of POSIX. What other
 * systems' full-duplex pipes were used for is done with socketpair(): both ends read and write,
 * each direction has a buffer and an end of its own.
 *
 * Man pages: pipe(7), socketpair(2), unix(7), shutdown(2), sysconf(3), ioctl(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<stropts.h>)
#include <stropts.h>
#else /* glibc has dropped it: the request's number on System V, and an answer without STREAMS */
#define I_PUSH 0x5302
static int isastream(int fd)
{
    return fcntl(fd, F_GETFD) == -1 ? -1 : 0;
}
#endif

enum { READ_END = 0, WRITE_END = 1 };
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EBADF: return "blocked (EBADF)";
    case ENOTTY: return "blocked (ENOTTY)";
    case EINVAL: return "blocked (EINVAL)";
    case EPIPE: return "blocked (EPIPE)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another error)";
    }
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
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

static void tell(int words, char word)
{
    ssize_t n;
    do
        n = write(words, &word, 1);
    while (n == -1 && errno == EINTR);
    if (n != 1)
        die("tell");
}

static char hear(int words)
{
    char word;
    ssize_t n;
    do
        n = read(words, &word, 1);
    while (n == -1 && errno == EINTR);
    if (n != 1)
        die("hear");
    return word;
}

struct pipe_facts {
    const char *write_to_read_end, *read_from_write_end, *push;
    int is_stream;
};

static struct pipe_facts ask_pipe(void)
{
    struct pipe_facts facts;
    int ends[2];
    char byte;

    make_pipe(ends);
    facts.write_to_read_end = verdict(write(ends[READ_END], "x", 1) == -1 ? errno : 0);
    facts.read_from_write_end = verdict(read(ends[WRITE_END], &byte, 1) == -1 ? errno : 0);
    facts.is_stream = isastream(ends[READ_END]);
    /* On a system with STREAMS this would put a module between the two ends. */
    facts.push = verdict(ioctl(ends[READ_END], I_PUSH, "ldterm") == -1 ? errno : 0);
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
    return facts;
}

static bool streams_offered(void)
{
#ifdef _SC_XOPEN_STREAMS
    return sysconf(_SC_XOPEN_STREAMS) > 0;
#else
    return false;
#endif
}

/* Answers each letter with the next one until the other side has said its last. */
static _Noreturn void answer(int end)
{
    char byte;
    ssize_t n;

    while ((n = read(end, &byte, 1)) == 1)
        tell(end, (char)(byte + 1));
    if (n == -1)
        die("read");
    tell(end, '.'); /* the way back is still open */
    _exit(0);
}

struct pair_facts {
    bool both_ways, half_closed, ended;
};

static struct pair_facts try_pair(void)
{
    struct pair_facts facts;
    int ends[2];
    char byte;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    pid_t child = start_child();
    if (child == 0) {
        close_end(ends[0]);
        answer(ends[1]);
    }
    close_end(ends[1]);
    tell(ends[0], 'a');
    bool first = hear(ends[0]) == 'b';
    tell(ends[0], 'b');
    facts.both_ways = first && hear(ends[0]) == 'c';
    /* One direction ends, the other goes on. */
    if (shutdown(ends[0], SHUT_WR) == -1)
        die("shutdown");
    facts.half_closed = hear(ends[0]) == '.';
    facts.ended = read(ends[0], &byte, 1) == 0;
    close_end(ends[0]);
    expect_success(child);
    return facts;
}

/* With a pipe a process could hear itself; of a pair, what goes in at one end leaves at the other. */
static bool hears_itself(void)
{
    int ends[2];
    char byte;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == -1)
        die("socketpair");
    tell(ends[0], 'x');
    bool own = read(ends[0], &byte, 1) == 1;
    close_end(ends[0]);
    close_end(ends[1]);
    return own;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    struct pipe_facts facts = ask_pipe();
    printf("a pipe: write to its read end %s; isastream %d; I_PUSH %s\n", facts.write_to_read_end,
           facts.is_stream, facts.push);
    struct pair_facts pair = try_pair();
    printf("a socket pair works both ways: %s\n", json_bool(pair.both_ways));

    printf("{\"write_to_read_end\": \"%s\", \"read_from_write_end\": \"%s\", ",
           facts.write_to_read_end, facts.read_from_write_end);
    printf("\"is_stream\": %s, ", json_bool(facts.is_stream == 1));
    printf("\"push_module\": \"%s\", ", facts.push);
    printf("\"streams_offered\": %s, ", json_bool(streams_offered()));
    printf("\"pair_both_ways\": %s, \"pair_half_closed\": %s, ", json_bool(pair.both_ways),
           json_bool(pair.half_closed));
    printf("\"pair_ended\": %s, \"pair_hears_itself\": %s}\n", json_bool(pair.ended),
           json_bool(hears_itself()));
    return 0;
}
