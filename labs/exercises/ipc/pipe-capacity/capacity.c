/*
 * A pipe holds only so much: how much, and what happens at the brim.
 *
 * Shown: the capacity in bytes and in pages; a writer at a full pipe sleeps until the reader makes
 * room; writes up to PIPE_BUF are all-or-nothing, larger ones may be cut. Who may have a larger
 * pipe is shown by growing.c.
 *
 * Man pages: pipe(7), fcntl(2), write(2), poll(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_END = 0,
    WRITE_END = 1,
    ODD_SIZE = 3000,          /* neither divides a page nor fits twice into 4 KiB */
    DEFAULT_PAGES = 16,       /* pipe(7), "Pipe capacity" */
    QUIET_MS = 200,           /* how long we listen for a writer that should be silent */
    PATIENCE_MS = 30 * 1000,  /* how long we wait for one that should speak */
    LARGEST_PAGE = 64 * 1024,
};

/* Big enough for two pages of the largest size; the contents do not matter. */
static char block[2 * LARGEST_PAGE];

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "%s\n", why);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void open_pipe(int ends[2], int flags)
{
    if (pipe2(ends, O_CLOEXEC | flags) == -1)
        die("pipe2");
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static void close_pipe(const int ends[2])
{
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
}

static int capacity_of(int fd)
{
    int size = fcntl(fd, F_GETPIPE_SZ);
    if (size == -1)
        die("F_GETPIPE_SZ");
    return size;
}

/* Bytes that go in before a non-blocking write of `size` bytes is refused. */
static long fill(int fd, size_t size)
{
    long total = 0;
    for (;;) {
        ssize_t n = write(fd, block, size);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && errno == EAGAIN)
            return total;
        if (n == -1)
            die("write");
        total += n;
    }
}

static void drain(int fd, size_t size)
{
    while (size > 0) {
        ssize_t n = read(fd, block, size);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("read");
        if (n == 0)
            give_up("the pipe ended early");
        size -= (size_t)n;
    }
}

static long room_in_writes_of(size_t size)
{
    int ends[2];
    open_pipe(ends, O_NONBLOCK);
    long total = fill(ends[WRITE_END], size);
    close_pipe(ends);
    return total;
}

/*
 * Free part of one page: too little for PIPE_BUF bytes. A small write is then refused as a whole
 * although some of its bytes would fit.
 */
static bool small_write_is_whole(size_t page)
{
    int ends[2];
    open_pipe(ends, O_NONBLOCK);
    fill(ends[WRITE_END], page);
    drain(ends[READ_END], page);
    ssize_t first = write(ends[WRITE_END], block, page - PIPE_BUF / 2);
    if (first != (ssize_t)(page - PIPE_BUF / 2))
        die("write into the free page");
    bool refused = write(ends[WRITE_END], block, PIPE_BUF) == -1 && errno == EAGAIN;
    bool byte_fits = write(ends[WRITE_END], block, 1) == 1;
    close_pipe(ends);
    return refused && byte_fits;
}

/* Two pages into one free page: a write above PIPE_BUF may do a part of its work. */
static bool large_write_is_cut(size_t page)
{
    int ends[2];
    open_pipe(ends, O_NONBLOCK);
    fill(ends[WRITE_END], page);
    drain(ends[READ_END], page);
    ssize_t n = write(ends[WRITE_END], block, 2 * page);
    close_pipe(ends);
    return n == (ssize_t)page;
}

static void make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
        die("fcntl");
}

static void tell(int fd, char word)
{
    ssize_t n;
    do
        n = write(fd, &word, 1);
    while (n == -1 && errno == EINTR);
    if (n != 1)
        die("write");
}

/* The word that arrives within `milliseconds`, or 0 for silence. */
static char hear(int fd, int milliseconds)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLIN, .revents = 0};
    char word;
    int ready;

    do
        ready = poll(&wait_for, 1, milliseconds);
    while (ready == -1 && errno == EINTR);
    if (ready == -1)
        die("poll");
    if (ready == 0)
        return 0;
    if (read(fd, &word, 1) != 1)
        give_up("the writer is gone");
    return word;
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

static bool falls_asleep(pid_t pid)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (state_of(pid) == 'S')
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static _Noreturn void write_into_full(int fd, int words)
{
    tell(words, 'b'); /* before */
    tell(fd, 'x');
    tell(words, 'a'); /* after */
    _exit(0);
}

struct blocking {
    bool blocked;
    bool resumed;
};

static struct blocking watch_writer(const int full[2], int words, pid_t writer, size_t page)
{
    struct blocking seen;
    if (hear(words, PATIENCE_MS) != 'b')
        give_up("the writer did not start");
    bool asleep = falls_asleep(writer);
    seen.blocked = asleep && hear(words, QUIET_MS) == 0;
    drain(full[READ_END], page);
    seen.resumed = hear(words, PATIENCE_MS) == 'a';
    return seen;
}

static struct blocking block_a_writer(size_t page)
{
    int full[2], words[2];

    open_pipe(full, O_NONBLOCK);
    open_pipe(words, 0);
    fill(full[WRITE_END], page);
    /* O_NONBLOCK belongs to the open file, which the child shares: clear it before fork. */
    make_blocking(full[WRITE_END]);
    pid_t writer = fork();
    if (writer == -1)
        die("fork");
    if (writer == 0) {
        close_end(full[READ_END]);
        close_end(words[READ_END]);
        write_into_full(full[WRITE_END], words[WRITE_END]);
    }
    close_end(full[WRITE_END]);
    close_end(words[WRITE_END]);
    struct blocking seen = watch_writer(full, words[READ_END], writer, page);
    close_end(full[READ_END]); /* a writer still stuck gets SIGPIPE and ends */
    close_end(words[READ_END]);
    while (waitpid(writer, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return seen;
}

int main(void)
{
    int ends[2];
    long page = sysconf(_SC_PAGESIZE);

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (page <= 0 || page > LARGEST_PAGE)
        give_up("unexpected page size");
    open_pipe(ends, 0);
    long promised = capacity_of(ends[READ_END]);
    close_pipe(ends);
    /* Not a failure of ours: the numbers below are then those of a user over the quota. */
    if (promised < DEFAULT_PAGES * page)
        printf("this user holds many pipes: new ones are small (pipe-user-pages-soft)\n");
    long capacity = room_in_writes_of((size_t)page);
    long odd = room_in_writes_of(ODD_SIZE);
    printf("it holds %ld bytes in writes of a page, ", capacity);
    printf("%ld in writes of %d\n", odd, ODD_SIZE);
    struct blocking writer = block_a_writer((size_t)page);
    printf("a writer at the full pipe %s\n", writer.blocked ? "sleeps" : "does not sleep");

    printf("{\"page_size\": %ld, \"capacity\": %ld, \"capacity_pages\": %ld, ", page, capacity,
           capacity / page);
    printf("\"getpipe_sz_agrees\": %s, \"odd_writes_hold_less\": %s, ",
           json_bool(promised == capacity), json_bool(odd < capacity));
    printf("\"writer_blocked\": %s, \"writer_resumed\": %s, ", json_bool(writer.blocked),
           json_bool(writer.resumed));
    printf("\"pipe_buf\": %d, \"small_write_whole\": %s, \"large_write_cut\": %s}\n", PIPE_BUF,
           json_bool(small_write_is_whole((size_t)page)),
           json_bool(large_write_is_cut((size_t)page)));
    return 0;
}
