/*
 * Another design: the kernel moves the input into the pipe by splice(2), without a copy in this process, where
 * the input is a pipe, a file or a socket; elsewhere it is read and written.
 *
 * A writer and a reader on one pipe: the writer (this process) copies its standard input into the pipe,
 * the reader (its child) adds up records of sixteen digits until the record that is zero, or the end.
 *
 * Man pages: splice(2), pipe(2), pipe(7), fork(2), read(2), write(2), signal(7), waitpid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, RECORD = 16, AT_ONCE = 65536 };

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

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static size_t read_some(int fd, void *bytes, size_t length)
{
    ssize_t n;
    do
        n = read(fd, bytes, length);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        die("read");
    return (size_t)n;
}

/* As many bytes as there are of a record: fewer only at the end. */
static size_t read_record(int fd, char record[RECORD])
{
    size_t got = 0, n;
    while (got < RECORD && (n = read_some(fd, record + got, RECORD - got)) > 0)
        got += n;
    return got;
}

static uint64_t value_of(const char record[RECORD])
{
    uint64_t value = 0;
    for (int i = 0; i < RECORD; i++)
        value = 10 * value + (uint64_t)(record[i] - '0');
    return value;
}

static int read_records(int from)
{
    char record[RECORD];
    uint64_t sum = 0, value;
    unsigned count = 0;
    size_t got;

    while ((got = read_record(from, record)) == RECORD && (value = value_of(record)) != 0) {
        sum += value;
        count++;
    }
    printf("records %u sum %" PRIu64 " rest %zu\n", count, sum, got == RECORD ? 0 : got);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* False when nobody reads any more. */
static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n >= 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (errno == EPIPE) {
            return false;
        } else if (errno != EINTR) {
            die("write");
        }
    }
    return true;
}

/* True when all of the input has gone, or nobody reads any more; false if this input is not for splice(2). */
static bool splice_input(int to)
{
    for (;;) {
        ssize_t n = splice(STDIN_FILENO, NULL, to, NULL, AT_ONCE, 0);
        if (n == 0 || (n == -1 && errno == EPIPE))
            return true;
        if (n == -1 && errno == EINVAL)
            return false;
        if (n == -1 && errno != EINTR)
            die("splice");
    }
}

static void copy_input(int to)
{
    char bytes[4096];
    size_t n;
    if (splice_input(to))
        return;
    while ((n = read_some(STDIN_FILENO, bytes, sizeof bytes)) > 0)
        if (!write_all(to, bytes, n))
            return;
}

static int status_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void)
{
    int ends[2];

    answer_signals();
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
    if (pipe(ends) == -1)
        die("pipe");
    pid_t reader = fork();
    if (reader == -1)
        die("fork");
    if (reader == 0) {
        close_end(ends[WRITE_END]);
        _exit(read_records(ends[READ_END]));
    }
    close_end(ends[READ_END]);
    copy_input(ends[WRITE_END]);
    close_end(ends[WRITE_END]);
    return status_of(reader);
}
