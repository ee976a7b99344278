/*
 * FIFOs: a pipe with a name, so that strangers can meet, and with permissions, so that not all can.
 *
 *   fifo make     as the owner: make FIFOs of several modes, meet a child through one of them
 *   fifo knock    as another user: try to open each of them
 *
 * Shown: the umask takes bits away from the mode given to mkfifo; two processes that share no
 * descriptor meet by opening the same name; the mode decides who else may open it, and nothing
 * else protects what is said inside.
 *
 * Man pages: fifo(7), mkfifo(3), open(2), umask(2), path_resolution(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char PUBLIC[] = "public";     /* 0666: anybody may talk and listen */
static const char PRIVATE[] = "private";   /* 0600: the owner alone */
static const char SURPRISE[] = "surprise"; /* asked for 0666 under an umask of 022 */
static const char MESSAGE[] = "met by name";

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case ENXIO: return "nobody there (ENXIO)";
    case ENOENT: return "no such name (ENOENT)";
    default: return "blocked (another error)";
    }
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void close_file(int fd)
{
    if (close(fd) == -1)
        die("close");
}

/* The permission bits a FIFO ends up with when made with `mode` under `mask`. */
static mode_t make_fifo(const char *name, mode_t mode, mode_t mask)
{
    struct stat made;
    mode_t before = umask(mask);
    if (mkfifo(name, mode) == -1)
        die(name);
    umask(before);
    if (stat(name, &made) == -1)
        die(name);
    return made.st_mode & 07777;
}

/* Every open here has O_NONBLOCK: without it, open waits for somebody at the other end. */
static int try_open(const char *name, int access)
{
    int fd = open(name, access | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close_file(fd);
    return 0;
}

static int open_blocking(const char *name, int access)
{
    int fd;
    do
        fd = open(name, access | O_CLOEXEC);
    while (fd == -1 && errno == EINTR);
    if (fd == -1)
        die(name);
    return fd;
}

static _Noreturn void speak(const char *name)
{
    int fd = open_blocking(name, O_WRONLY);
    /* Shorter than PIPE_BUF: written whole or not at all. */
    if (write(fd, MESSAGE, strlen(MESSAGE)) != (ssize_t)strlen(MESSAGE))
        die("write");
    _exit(0);
}

static size_t read_to_end(int fd, char *text, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t n = read(fd, text + length, size - length);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("read");
        if (n == 0)
            break;
        length += (size_t)n;
    }
    return length;
}

/* No descriptor is shared: each side opens the name, and each open waits for the other. */
static bool meet(const char *name)
{
    char heard[64];
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        speak(name);
    int fd = open_blocking(name, O_RDONLY);
    size_t length = read_to_end(fd, heard, sizeof heard);
    close_file(fd);
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status == 0 && length == strlen(MESSAGE) && memcmp(heard, MESSAGE, length) == 0;
}

static void make(void)
{
    unsigned public_mode = (unsigned)make_fifo(PUBLIC, 0666, 0);
    unsigned private_mode = (unsigned)make_fifo(PRIVATE, 0600, 0);
    unsigned surprise_mode = (unsigned)make_fifo(SURPRISE, 0666, 022);
    printf("mkfifo(0666) under umask 022 made %04o\n", surprise_mode);
    const char *alone = verdict(try_open(PRIVATE, O_WRONLY));
    bool met = meet(PRIVATE);
    printf("writing with no reader: %s\n", alone);

    printf("{\"public_mode\": \"%04o\", \"private_mode\": \"%04o\", \"umask_surprise\": \"%04o\", ",
           public_mode, private_mode, surprise_mode);
    printf("\"writer_alone\": \"%s\", \"met_by_name\": %s}\n", alone, json_bool(met));
}

/*
 * O_RDWR on a FIFO is Linux's own (fifo(7)): it succeeds without a partner. While we hold the
 * public one that way it has a reader, so that opening it to write tells of permission alone.
 */
static void knock(void)
{
    int held = open(PUBLIC, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    const char *public_rdwr = verdict(held == -1 ? errno : 0);
    const char *public_write = verdict(try_open(PUBLIC, O_WRONLY));
    const char *private_rdwr = verdict(try_open(PRIVATE, O_RDWR));
    const char *private_write = verdict(try_open(PRIVATE, O_WRONLY));
    const char *private_read = verdict(try_open(PRIVATE, O_RDONLY));
    const char *surprise_read = verdict(try_open(SURPRISE, O_RDONLY));
    const char *surprise_write = verdict(try_open(SURPRISE, O_WRONLY));
    if (held != -1)
        close_file(held);
    printf("another user opens: public %s, private %s\n", public_rdwr, private_rdwr);

    printf("{\"public_rdwr\": \"%s\", \"public_write\": \"%s\", ", public_rdwr, public_write);
    printf("\"private_rdwr\": \"%s\", \"private_write\": \"%s\", \"private_read\": \"%s\", ",
           private_rdwr, private_write, private_read);
    printf("\"surprise_read\": \"%s\", \"surprise_write\": \"%s\"}\n", surprise_read,
           surprise_write);
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (argc == 2 && strcmp(argv[1], "make") == 0) {
        make();
    } else if (argc == 2 && strcmp(argv[1], "knock") == 0) {
        knock();
    } else {
        fprintf(stderr, "usage: %s make | knock\n", argv[0]);
        return 1;
    }
    return 0;
}
