/*
 * A service that takes requests at a FIFO.
 *
 *   service PATH
 *
 * A request is the line "REPLY WORD"; the answer, WORD in capitals, goes to the FIFO named REPLY.
 * The reading of requests is here. Who may ask, and where an answer goes, is yours: see the TODOs.
 *
 * Man pages: fifo(7), mkfifo(3), umask(2), open(2), fstat(2), fcntl(2), write(2).
 */
#define _GNU_SOURCE
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
 * TODO: make the FIFO for your user alone, whatever the umask is; decline everything that is not
 * a FIFO of your own with mode 0600; and stay when a client goes.
 */
static int open_desk(const char *path)
{
    if (mkfifo(path, 0666) == -1)
        die(path);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        die(path);
    return fd;
}

/*
 * TODO: write `word` in capitals and a newline to the FIFO `reply`, if it is a FIFO of your own and
 * somebody listens there. Never wait for it, make it, or write to anything else.
 */
static void answer(const char *reply, char *word)
{
    fprintf(stderr, "nothing sent to %s yet: %s\n", reply, word);
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
