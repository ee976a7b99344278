/*
 * Several writers, one pipe: what arrives in one piece.
 *
 * Shown: records of at most PIPE_BUF bytes are never mixed with those of other writers, however
 * many write at once; a longer one is cut whenever the pipe is full and others get in between.
 * The second is provoked, not hoped for: both writers sleep at the full pipe, the long record
 * begun, before a single byte is read.
 *
 * Man pages: pipe(7) (PIPE_BUF), write(2), fcntl(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, PATIENCE_MS = 60000, WRITERS = 4, RECORDS = 32 };
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

static char *filled(char letter, size_t size)
{
    char *record = malloc(size);
    if (record == NULL)
        die("malloc");
    memset(record, letter, size);
    return record;
}

/* A blocking write() goes on until everything is in the pipe; write_all is for signals alone. */
static pid_t start_writer(const int ends[2], char letter, size_t size, int records)
{
    pid_t writer = start_child();
    if (writer != 0)
        return writer;
    close_end(ends[READ_END]);
    char *record = filled(letter, size);
    for (int i = 0; i < records; i++)
        write_all(ends[WRITE_END], record, size);
    free(record);
    _exit(0);
}

static bool of_one_letter(const char *bytes, size_t size)
{
    for (size_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            return false;
    return true;
}

/* How many of the records of PIPE_BUF bytes contain bytes of more than one writer. */
static int mixed_small_records(void)
{
    pid_t writers[WRITERS];
    char record[PIPE_BUF];
    int ends[2], mixed = 0;

    make_pipe(ends);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = start_writer(ends, (char)('a' + i), PIPE_BUF, RECORDS);
    close_end(ends[WRITE_END]);
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        read_exactly(ends[READ_END], record, sizeof record);
        mixed += !of_one_letter(record, sizeof record);
    }
    close_end(ends[READ_END]);
    for (int i = 0; i < WRITERS; i++)
        expect_success(writers[i]);
    return mixed;
}

static void wait_until_full(int write_end)
{
    struct pollfd asked = {.fd = write_end, .events = POLLOUT, .revents = 0};
    for (int waited = 0; waited < PATIENCE_MS && poll(&asked, 1, 0) != 0; waited += 10)
        poll(NULL, 0, 10);
}

struct large {
    bool waited; /* both writers slept before anything was read */
    bool cut;    /* the short record came inside the long one */
    bool whole;  /* the short one itself was not cut */
};

static struct large judge(const char *bytes, size_t total)
{
    struct large found = {false, false, false};
    const char *first = memchr(bytes, 'b', total), *last = memrchr(bytes, 'b', total);

    if (first == NULL)
        return found;
    found.cut = first > bytes && last < bytes + total - 1;
    found.whole = last - first + 1 == PIPE_BUF;
    return found;
}

/* A page at a time, and the woken writer fills the gap before the next: so both get their turn. */
static void drain(const int ends[2], char *bytes, size_t total)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), done = 0;

    for (int i = 0; i < 3; i++) {
        read_exactly(ends[READ_END], bytes + done, page);
        done += page;
        wait_until_full(ends[WRITE_END]);
    }
    read_exactly(ends[READ_END], bytes + done, total - done);
}

static struct large long_and_short(void)
{
    int ends[2];

    make_pipe(ends);
    int capacity = fcntl(ends[WRITE_END], F_GETPIPE_SZ);
    if (capacity == -1)
        die("F_GETPIPE_SZ");
    size_t size = 2 * (size_t)capacity, total = size + PIPE_BUF;
    char *bytes = filled('?', total);
    pid_t long_writer = start_writer(ends, 'a', size, 1);
    wait_until_full(ends[WRITE_END]);
    bool first = falls_asleep(long_writer);
    pid_t short_writer = start_writer(ends, 'b', PIPE_BUF, 1);
    bool second = falls_asleep(short_writer);
    drain(ends, bytes, total);
    struct large found = judge(bytes, total);
    found.waited = first && second;
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
    expect_success(long_writer);
    expect_success(short_writer);
    free(bytes);
    return found;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    int mixed = mixed_small_records();
    printf("%d writers, records of %d bytes: %d mixed\n", WRITERS, PIPE_BUF, mixed);
    struct large large = long_and_short();
    printf("a record of twice the capacity was cut by another writer: %s\n", json_bool(large.cut));

    printf("{\"pipe_buf\": %d, \"records\": %d, \"small_mixed\": %d, ", PIPE_BUF, WRITERS * RECORDS,
           mixed);
    printf("\"writers_waited\": %s, \"large_cut\": %s, \"small_inside_whole\": %s}\n",
           json_bool(large.waited), json_bool(large.cut), json_bool(large.whole));
    return 0;
}
