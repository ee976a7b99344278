/*
 * Who waits at a pipe, and for what.
 *
 * Shown: read from an empty pipe waits for bytes or for the last writer to leave; write to a full
 * pipe waits for room; O_NONBLOCK turns both waits into EAGAIN; poll tells beforehand. The flag
 * belongs to the open file description, so a child that sets it changes its parent's pipe too.
 * That somebody waits is read from its state, not guessed from a time.
 *
 * Man pages: pipe(7), read(2), write(2), fcntl(2), poll(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, PATIENCE_MS = 60000 };

struct seen {
    bool waited;  /* before the call it spoke, then it slept and was silent */
    char outcome; /* what it said after the call: 'd' data, 'e' end of file, 'w' written */
};
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *errno_name(int error)
{
    switch (error) {
    case EAGAIN: return "EAGAIN";
    case EPIPE: return "EPIPE";
    case EBADF: return "EBADF";
    default: return "another error";
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

static bool silent(int words)
{
    struct pollfd waiting = {.fd = words, .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, 0) == 0;
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

/* No time is measured: the bound only keeps a program that is wrong from waiting for ever. */
static bool falls_asleep(pid_t pid)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (state_of(pid) == 'S')
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

/* Between its words the child does one call: asleep and silent means asleep in that call. */
static bool waits(pid_t child, int words)
{
    return hear(words) == 'b' && falls_asleep(child) && silent(words);
}

static _Noreturn void read_one(int from, int words)
{
    char byte;
    ssize_t n;

    tell(words, 'b');
    do
        n = read(from, &byte, 1);
    while (n == -1 && errno == EINTR);
    tell(words, n == 1 ? 'd' : n == 0 ? 'e' : 'x');
    _exit(0);
}

/* What wakes the reader: one byte, or (`give` false) the last write end being closed. */
static struct seen watch_reader(bool give)
{
    struct seen seen;
    int ends[2], words[2];

    make_pipe(ends);
    make_pipe(words);
    pid_t reader = start_child();
    if (reader == 0) {
        close_end(ends[WRITE_END]);
        close_end(words[READ_END]);
        read_one(ends[READ_END], words[WRITE_END]);
    }
    close_end(ends[READ_END]);
    close_end(words[WRITE_END]);
    seen.waited = waits(reader, words[READ_END]);
    if (give)
        tell(ends[WRITE_END], 'x');
    close_end(ends[WRITE_END]);
    seen.outcome = hear(words[READ_END]);
    close_end(words[READ_END]);
    expect_success(reader);
    return seen;
}

static void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == -1)
        die("fcntl");
}

static bool ready(int fd, short events)
{
    struct pollfd asked = {.fd = fd, .events = events, .revents = 0};
    if (poll(&asked, 1, 0) == -1)
        die("poll");
    return (asked.revents & events) != 0;
}

/* Whole pages, for a pipe counts its room in pages. Leaves the write end non-blocking. */
static const char *fill(int fd, const char *page, size_t size)
{
    set_nonblocking(fd, true);
    while (write(fd, page, size) > 0)
        continue;
    return errno_name(errno);
}

static _Noreturn void write_one(int to, int words)
{
    tell(words, 'b');
    tell(to, 'x');
    tell(words, 'w');
    _exit(0);
}

struct full {
    struct seen writer;
    const char *nonblocking; /* how a non-blocking write fails */
    bool writable;           /* what poll says */
};

static struct full watch_writer(void)
{
    struct full full;
    int ends[2], words[2];
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = calloc(1, size);

    if (page == NULL)
        die("calloc");
    make_pipe(ends);
    make_pipe(words);
    full.nonblocking = fill(ends[WRITE_END], page, size);
    full.writable = ready(ends[WRITE_END], POLLOUT);
    set_nonblocking(ends[WRITE_END], false);
    pid_t writer = start_child();
    if (writer == 0) {
        close_end(ends[READ_END]);
        close_end(words[READ_END]);
        write_one(ends[WRITE_END], words[WRITE_END]);
    }
    close_end(ends[WRITE_END]);
    close_end(words[WRITE_END]);
    full.writer.waited = waits(writer, words[READ_END]);
    if (read(ends[READ_END], page, size) != (ssize_t)size)
        die("read");
    full.writer.outcome = hear(words[READ_END]);
    close_end(words[READ_END]);
    close_end(ends[READ_END]);
    expect_success(writer);
    free(page);
    return full;
}

struct empty {
    const char *nonblocking;
    bool readable;
    bool flag_came_from_child;
};

/* The child sets O_NONBLOCK on its own descriptor; ours refers to the same open description. */
static struct empty ask_empty(void)
{
    struct empty empty;
    int ends[2];
    char byte;

    make_pipe(ends);
    pid_t child = start_child();
    if (child == 0) {
        set_nonblocking(ends[READ_END], true);
        _exit(0);
    }
    expect_success(child);
    empty.flag_came_from_child = (fcntl(ends[READ_END], F_GETFL) & O_NONBLOCK) != 0;
    set_nonblocking(ends[READ_END], true);
    empty.readable = ready(ends[READ_END], POLLIN);
    ssize_t n = read(ends[READ_END], &byte, 1);
    empty.nonblocking = n == -1 ? errno_name(errno) : "end of file";
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
    return empty;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    struct seen data = watch_reader(true), end = watch_reader(false);
    printf("a reader of an empty pipe sleeps: %s\n", json_bool(data.waited && end.waited));
    struct full full = watch_writer();
    printf("a writer of a full pipe sleeps: %s\n", json_bool(full.writer.waited));
    struct empty empty = ask_empty();
    printf("with O_NONBLOCK: %s when empty, %s when full\n", empty.nonblocking, full.nonblocking);

    printf("{\"reader_waits\": %s, ", json_bool(data.waited && end.waited));
    printf("\"woken_by_bytes\": %s, ", json_bool(data.outcome == 'd'));
    printf("\"woken_by_end\": %s, ", json_bool(end.outcome == 'e'));
    printf("\"writer_waits\": %s, ", json_bool(full.writer.waited));
    printf("\"woken_by_room\": %s, ", json_bool(full.writer.outcome == 'w'));
    printf("\"empty_nonblocking\": \"%s\", ", empty.nonblocking);
    printf("\"full_nonblocking\": \"%s\", ", full.nonblocking);
    printf("\"poll_empty_readable\": %s, ", json_bool(empty.readable));
    printf("\"poll_full_writable\": %s, ", json_bool(full.writable));
    printf("\"flag_shared_with_child\": %s}\n", json_bool(empty.flag_came_from_child));
    return 0;
}
