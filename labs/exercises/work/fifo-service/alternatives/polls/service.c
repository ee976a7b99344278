/*
 * Another design: a descriptor that does not block, poll(2), and a buffer in which lines are looked for. A line that
 * is too long is forgotten while it comes.
 *
 * A service that takes requests at a FIFO, for its own user alone.
 *
 *   service PATH
 *
 * A request is the line "REPLY WORD"; the answer, WORD in capitals, goes to the FIFO named REPLY. What
 * is opened is judged by fstat(), after the opening: a name can be changed between two looks at it,
 * a descriptor cannot.
 *
 * Man pages: fifo(7), mkfifo(3), umask(2), open(2), fstat(2), poll(2), write(2).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST = 256 }; /* bytes of a request, its end included */

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/*
 * A FIFO of our own, whatever stands at the path now. O_NOFOLLOW: no symbolic link, wherever it
 * leads. O_NONBLOCK: no waiting for the other end, nor for a device that may be there instead.
 */
static int open_own_fifo(const char *path, int access, struct stat *about)
{
    int fd = open(path, access | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    if (fstat(fd, about) == -1)
        die("fstat");
    if (S_ISFIFO(about->st_mode) && about->st_uid == geteuid())
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

/* O_RDWR: with a writer of our own there is no end of file when a client goes. */
static int open_desk(const char *path)
{
    struct stat about;
    umask(0077); /* the inherited one might take even the owner's bits away */
    if (mkfifo(path, 0600) == -1 && errno != EEXIST)
        die(path);
    int fd = open_own_fifo(path, O_RDWR, &about);
    if (fd == -1)
        die(path);
    if ((about.st_mode & 07777) != 0600) {
        /* Not chmod: whoever has it open already would keep it open. */
        fprintf(stderr, "%s: was open to others\n", path);
        exit(1);
    }
    return fd;
}

/* Whoever asked has to listen and to have room. If not, the answer is dropped: we do not wait. */
static void answer(const char *reply, char *word)
{
    struct stat about;
    size_t length = strlen(word);
    int fd = open_own_fifo(reply, O_WRONLY, &about);
    if (fd == -1) {
        perror(reply);
        return;
    }
    for (size_t i = 0; i < length; i++)
        word[i] = (char)toupper((unsigned char)word[i]);
    word[length] = '\n';
    if (write(fd, word, length + 1) == -1)
        perror(reply);
    close(fd);
}

/* `line` has no end any more, but room for one. */
static void serve(char *line, size_t length)
{
    line[length] = '\0';
    char *space = strchr(line, ' ');
    if (strlen(line) != length || space == NULL || space == line)
        return;
    *space = '\0';
    if (space[1] != '\0' && strchr(space + 1, ' ') == NULL)
        answer(line, space + 1);
}

/* What is in the FIFO now, at most `room` bytes of it; waits while there is nothing. */
static size_t take(int desk, char *bytes, size_t room)
{
    struct pollfd requests = {.fd = desk, .events = POLLIN};
    for (;;) {
        ssize_t n = read(desk, bytes, room);
        if (n > 0)
            return (size_t)n;
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            die("read");
        if (poll(&requests, 1, -1) == -1 && errno != EINTR)
            die("poll");
    }
}

static _Noreturn void serve_all(int desk)
{
    static char bytes[LONGEST * 16 + 1]; /* one more for the NUL of the last line */
    size_t length = 0;
    bool too_long = false; /* the line that has begun has lost its beginning */
    for (;;) {
        length += take(desk, bytes + length, sizeof bytes - 1 - length);
        char *line = bytes, *stop;
        while ((stop = memchr(line, '\n', length - (size_t)(line - bytes))) != NULL) {
            size_t size = (size_t)(stop - line);
            if (!too_long && size < LONGEST)
                serve(line, size);
            too_long = false;
            line = stop + 1;
        }
        length -= (size_t)(line - bytes);
        memmove(bytes, line, length);
        if (length >= LONGEST) {
            too_long = true;
            length = 0;
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH\n", argv[0]);
        return 1;
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal"); /* a client may go between our open and our write */
    int desk = open_desk(argv[1]);
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("stdout");
    serve_all(desk);
}
