/*
 * Wrong: it opens the reply and waits there until somebody reads. Who asks and does not listen
 * stops the service for all.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
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
    int wait = access == O_WRONLY ? 0 : O_NONBLOCK; /* wrong */
    int fd = open(path, access | wait | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
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
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
        die("fcntl");
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

static char take(int desk)
{
    char byte;
    ssize_t n;
    do
        n = read(desk, &byte, 1);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        die("read");
    if (n == 0)
        exit(1); /* no writer is left: must not happen, see open_desk() */
    return byte;
}

static _Noreturn void serve_all(int desk)
{
    char line[LONGEST + 1]; /* one more for the NUL */
    for (;;) {
        size_t length = 0;
        bool too_long = false;
        for (char byte = take(desk); byte != '\n'; byte = take(desk)) {
            if (length == LONGEST - 1)
                too_long = true;
            else
                line[length++] = byte;
        }
        if (!too_long)
            serve(line, length);
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
