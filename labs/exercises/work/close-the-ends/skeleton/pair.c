/*
 * A writer and a reader on one pipe: the writer (this process) copies its standard input into the pipe,
 * the reader (its child) adds up records of sixteen digits until the record that is zero, or the end.
 *
 * Man pages: pipe(2), pipe(7), fork(2), read(2), write(2), signal(7), waitpid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, RECORD = 16 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void sign_of_life(int number)
{
    int saved = errno;
    (void)number;
    (void)!write(STDERR_FILENO, ".", 1);
    errno = saved;
}

/* Without SA_RESTART: system calls that wait are interrupted. */
static void answer_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = sign_of_life;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
}

/* TODO: read() may give fewer bytes than a record has, may be interrupted, and may have come to the end. */
static int read_records(int from)
{
    char record[RECORD];
    uint64_t sum = 0;
    unsigned count = 0;
    size_t rest = 0;

    if (read(from, record, sizeof record) == -1)
        die("read");
    /* TODO: add the records up until the one that is zero, or until the end. */
    printf("records %u sum %" PRIu64 " rest %zu\n", count, sum, rest);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* TODO: all of the input; write() may be interrupted as well, and nobody may be reading any more. */
static void copy_input(int to)
{
    char bytes[4096];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n > 0 && write(to, bytes, (size_t)n) == -1)
        die("write");
}

int main(void)
{
    int ends[2], status;

    answer_signals();
    if (pipe(ends) == -1)
        die("pipe");
    pid_t reader = fork();
    if (reader == -1)
        die("fork");
    /* TODO: each of the two uses one end. What about the other? */
    if (reader == 0)
        _exit(read_records(ends[READ_END]));
    copy_input(ends[WRITE_END]);
    if (waitpid(reader, &status, 0) == -1)
        die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
