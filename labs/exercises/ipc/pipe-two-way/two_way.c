/*
 * A conversation over two pipes, and how it dies.
 *
 * Shown: with one pipe a process reads its own words; two pipes, one for each direction, carry a
 * conversation. Who says everything before listening locks up with a partner who answers at once,
 * as soon as both pipes are full: each waits for the other to read. Taking turns, or asking poll
 * which end is ready, avoids it. The deadlock is made on purpose and proved by state: both pipes
 * are full and both processes asleep, and nobody else could empty either.
 *
 * Man pages: pipe(7), poll(2), fcntl(2), write(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, PATIENCE_MS = 60000, CHUNK = 4096, TIMES_CAPACITY = 3 };
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
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

static void end_child(pid_t child)
{
    if (kill(child, SIGKILL) == -1)
        die("kill");
    wait_for(child);
}

static ssize_t read_some(int fd, void *buffer, size_t size)
{
    ssize_t n;
    do
        n = read(fd, buffer, size);
    while (n == -1 && errno == EINTR);
    return n;
}

/* One read() may return less than was asked for. */
static void read_exactly(int fd, void *buffer, size_t size)
{
    char *next = buffer;
    while (size > 0) {
        ssize_t n = read_some(fd, next, size);
        if (n <= 0)
            die("read");
        next += n;
        size -= (size_t)n;
    }
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

/* The state letter of /proc/PID/stat; it follows the last ')', for a name may contain one. */
static char state_of(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path);
    bool got_line = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *end = got_line ? strrchr(line, ')') : NULL;
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

/* Answers each piece at once, until end-of-file. */
static _Noreturn void echo(int from, int to)
{
    char piece[CHUNK];
    ssize_t n;

    while ((n = read_some(from, piece, sizeof piece)) > 0)
        write_all(to, piece, (size_t)n);
    if (n == -1)
        die("read");
    _exit(0);
}

static pid_t start_echo(const int there[2], const int back[2])
{
    pid_t child = start_child();
    if (child == 0) {
        close_end(there[WRITE_END]);
        close_end(back[READ_END]);
        echo(there[READ_END], back[WRITE_END]);
    }
    return child;
}

/* The mistake: everything is said before the first answer is read. */
static _Noreturn void talk_then_listen(int to, int from, size_t total)
{
    char piece[CHUNK];

    memset(piece, 'q', sizeof piece);
    for (size_t said = 0; said < total; said += CHUNK)
        write_all(to, piece, sizeof piece);
    for (size_t heard = 0; heard < total; heard += CHUNK)
        read_exactly(from, piece, sizeof piece);
    _exit(0);
}

static bool full(int write_end)
{
    struct pollfd asked = {.fd = write_end, .events = POLLOUT, .revents = 0};
    return poll(&asked, 1, 0) == 0;
}

static size_t more_than_both_hold(int pipe_end)
{
    int capacity = fcntl(pipe_end, F_GETPIPE_SZ);
    if (capacity == -1)
        die("F_GETPIPE_SZ");
    return (size_t)capacity * TIMES_CAPACITY;
}

struct lock_up {
    bool both_full;
    bool both_asleep;
};

/* Our own copies of the write ends only ask poll; nothing is read or written through them. */
static struct lock_up lock_up(void)
{
    struct lock_up seen = {false, false};
    int there[2], back[2];

    make_pipe(there);
    make_pipe(back);
    size_t total = more_than_both_hold(there[WRITE_END]);
    pid_t partner = start_echo(there, back), talker = start_child();
    if (talker == 0) {
        close_end(there[READ_END]);
        close_end(back[WRITE_END]);
        talk_then_listen(there[WRITE_END], back[READ_END], total);
    }
    close_end(there[READ_END]);
    close_end(back[READ_END]);
    for (int waited = 0; waited < PATIENCE_MS && !seen.both_asleep; waited += 10) {
        seen.both_full = full(there[WRITE_END]) && full(back[WRITE_END]);
        seen.both_asleep = seen.both_full && state_of(talker) == 'S' && state_of(partner) == 'S';
        poll(NULL, 0, 10);
    }
    end_child(talker);
    end_child(partner);
    close_end(there[WRITE_END]);
    close_end(back[WRITE_END]);
    return seen;
}

/* Says a piece, hears the answer, says the next: never more than one piece is on its way. */
static size_t in_turns(int to, int from, size_t total)
{
    char piece[CHUNK];
    size_t heard = 0;

    memset(piece, 'q', sizeof piece);
    for (; heard < total; heard += CHUNK) {
        write_all(to, piece, sizeof piece);
        read_exactly(from, piece, sizeof piece);
    }
    return heard;
}

static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
        die("fcntl");
}

/* Writes when there is room and reads when there are bytes, in whatever order they come. */
static size_t with_poll(int to, int from, size_t total)
{
    char piece[CHUNK];
    size_t said = 0, heard = 0;

    memset(piece, 'q', sizeof piece);
    set_nonblocking(to);
    set_nonblocking(from);
    while (heard < total) {
        struct pollfd ends[2] = {{.fd = from, .events = POLLIN, .revents = 0},
                                 {.fd = said < total ? to : -1, .events = POLLOUT, .revents = 0}};
        if (poll(ends, 2, -1) == -1 && errno != EINTR)
            die("poll");
        ssize_t in = read(from, piece, sizeof piece);
        if (in > 0)
            heard += (size_t)in;
        size_t left = total - said;
        ssize_t out = left > 0 ? write(to, piece, left < CHUNK ? left : CHUNK) : 0;
        if (out > 0)
            said += (size_t)out;
        if ((in == -1 && errno != EAGAIN && errno != EINTR) || in == 0)
            die("read");
    }
    return heard;
}

static bool converse(size_t (*way)(int to, int from, size_t total))
{
    int there[2], back[2];

    make_pipe(there);
    make_pipe(back);
    size_t total = more_than_both_hold(there[WRITE_END]);
    pid_t partner = start_echo(there, back);
    close_end(there[READ_END]);
    close_end(back[WRITE_END]);
    size_t heard = way(there[WRITE_END], back[READ_END], total);
    close_end(there[WRITE_END]);
    char byte;
    ssize_t after = 0;
    while ((after = read(back[READ_END], &byte, 1)) == -1 && (errno == EINTR || errno == EAGAIN))
        poll(NULL, 0, 10);
    close_end(back[READ_END]);
    expect_success(partner);
    return heard == total && after == 0;
}

static bool hears_itself(void)
{
    int ends[2];
    char heard[3] = "";

    make_pipe(ends);
    write_all(ends[WRITE_END], "hi", 2);
    read_exactly(ends[READ_END], heard, 2);
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
    return strcmp(heard, "hi") == 0;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    bool own = hears_itself();
    struct lock_up stuck = lock_up();
    printf("talking first, listening later: both pipes full %s, both asleep %s\n",
           json_bool(stuck.both_full), json_bool(stuck.both_asleep));
    bool turns = converse(in_turns), polled = converse(with_poll);
    printf("in turns: %s, with poll: %s\n", turns ? "all came back" : "lost",
           polled ? "all came back" : "lost");

    printf("{\"one_pipe_hears_itself\": %s, ", json_bool(own));
    printf("\"both_full\": %s, \"both_asleep\": %s, ", json_bool(stuck.both_full),
           json_bool(stuck.both_asleep));
    printf("\"in_turns\": %s, \"with_poll\": %s}\n", json_bool(turns), json_bool(polled));
    return 0;
}
