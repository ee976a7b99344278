/*
 * Another design: a second child does nothing but write the input, and may wait as long as it likes; this process
 * does nothing but read. How much was taken comes back through a pipe of its own.
 *
 * Talks with another program through two pipes: sends it all of our standard input, collects all of
 * its standard output, and reports how it ended.
 *
 *   service PROGRAM [ARG...]
 *
 * Neither side may ever wait for the other while the other waits for it. So nobody here both reads and writes.
 *
 * Man pages: pipe(7), fork(2), signal(7), execve(2), waitpid(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, CHUNK = 65536, NOT_STARTED = 127 };

struct bytes {
    char *data;
    size_t length, room;
};

struct filter {
    pid_t pid;
    int in, out; /* our ends of its standard input and output; -1 when closed */
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void make_room(struct bytes *bytes)
{
    if (bytes->room - bytes->length >= CHUNK)
        return;
    bytes->room = bytes->room * 2 + CHUNK;
    bytes->data = realloc(bytes->data, bytes->room);
    if (bytes->data == NULL)
        die("realloc");
}

/* Reads once and appends; false at the end. */
static bool append(struct bytes *bytes, int fd)
{
    make_room(bytes);
    ssize_t got = read(fd, bytes->data + bytes->length, CHUNK);
    if (got == -1 && errno != EINTR && errno != EAGAIN)
        die("read");
    bytes->length += got > 0 ? (size_t)got : 0;
    return got != 0;
}

/* In the child. SIGPIPE is as it was for us when we were started: an ignored one would stay ignored. */
static _Noreturn void become(char *argv[], const int in[2], const int out[2])
{
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        die("signal");
    if (dup2(in[READ_END], STDIN_FILENO) == -1 || dup2(out[WRITE_END], STDOUT_FILENO) == -1)
        die("dup2");
    execvp(argv[0], argv); /* all four ends of the pipes are close-on-exec */
    perror(argv[0]);
    _exit(NOT_STARTED);
}

static struct filter start(char *argv[])
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        become(argv, in, out);
    close(in[READ_END]);
    close(out[WRITE_END]);
    return (struct filter){.pid = pid, .in = in[WRITE_END], .out = out[READ_END]};
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

/* Writes all of it, or until nobody wants any more (EPIPE); tells how much that was. */
static _Noreturn void feed(const struct filter *filter, const struct bytes *input, int tell)
{
    size_t sent = 0;
    close(filter->out);
    while (sent < input->length) {
        ssize_t put = write(filter->in, input->data + sent, input->length - sent);
        if (put == -1 && errno == EPIPE)
            break;
        if (put == -1 && errno != EINTR)
            _exit(1);
        sent += put > 0 ? (size_t)put : 0;
    }
    _exit(write(tell, &sent, sizeof sent) == (ssize_t)sizeof sent ? 0 : 1);
}

/* All that the program writes, while the feeder writes. */
static size_t exchange(struct filter *filter, const struct bytes *input, struct bytes *output)
{
    size_t sent = 0;
    int told[2];
    if (pipe2(told, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t feeder = fork();
    if (feeder == -1)
        die("fork");
    if (feeder == 0)
        feed(filter, input, told[WRITE_END]);
    close(filter->in); /* the feeder's is the last, so its end is the end of the input */
    while (append(output, filter->out))
        continue;
    close(filter->out);
    wait_for(feeder);
    if (read(told[READ_END], &sent, sizeof sent) != (ssize_t)sizeof sent)
        die("the feeder");
    close(told[READ_END]);
    close(told[WRITE_END]);
    return sent;
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
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
    struct filter filter = start(argv + 1);
    size_t sent = exchange(&filter, &input, &output);
    int status = wait_for(filter.pid);
    if (WIFSIGNALED(status))
        printf("sent %zu received %zu signal %d\n", sent, output.length, WTERMSIG(status));
    else
        printf("sent %zu received %zu exit %d\n", sent, output.length, WEXITSTATUS(status));
    if (output.length > 0 && fwrite(output.data, output.length, 1, stdout) != 1)
        die("fwrite");
    if (fflush(stdout) == EOF)
        die("fflush");
    free(input.data);
    free(output.data);
    return 0;
}
