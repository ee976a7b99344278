/*
 * Talks with another program through two pipes: sends it all of our standard input, collects all of
 * its standard output, and reports how it ended.
 *
 *   service PROGRAM [ARG...]
 *
 * Man pages: pipe(7), poll(2), fcntl(2), signal(7), execve(2), waitpid(2).
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 65536, NOT_STARTED = 127 };

struct bytes {
    char *data;
    size_t length, room;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Reads once and appends; false at the end. */
static bool append(struct bytes *bytes, int fd)
{
    if (bytes->room - bytes->length < CHUNK) {
        bytes->room = bytes->room * 2 + CHUNK;
        bytes->data = realloc(bytes->data, bytes->room);
        if (bytes->data == NULL)
            die("realloc");
    }
    ssize_t got = read(fd, bytes->data + bytes->length, CHUNK);
    if (got == -1 && errno != EINTR)
        die("read");
    bytes->length += got > 0 ? (size_t)got : 0;
    return got != 0;
}

static pid_t start(char *argv[])
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        /* TODO: two pipes, and their ends in the places of standard input and output */
        if (freopen("/dev/null", "w", stdout) == NULL)
            die("/dev/null");
        execvp(argv[0], argv);
        _exit(NOT_STARTED);
    }
    return pid;
}

int main(int argc, char *argv[])
{
    struct bytes input = {0}, output = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: service PROGRAM [ARG...]\n");
        return 2;
    }
    while (append(&input, STDIN_FILENO))
        continue;
    pid_t pid = start(argv + 1);
    size_t sent = 0;
    /* TODO: send what is in `input`, collect what comes in `output`; neither may wait for the other */
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    /* TODO: it may have been killed by a signal */
    printf("sent %zu received %zu exit %d\n", sent, output.length, WEXITSTATUS(status));
    free(input.data);
    free(output.data);
    return 0;
}
