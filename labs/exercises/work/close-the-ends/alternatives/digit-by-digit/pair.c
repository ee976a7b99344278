/*
 * Another design: the reader takes whatever the pipe has and looks at it digit by digit, so it never asks
 * for a record; SIGPIPE is blocked in the writer instead of ignored.
 *
 * A writer and a reader on one pipe: the writer (this process) copies its standard input into the pipe,
 * the reader (its child) adds up records of sixteen digits until the record that is zero, or the end.
 *
 * Man pages: pipe(2), pipe(7), fork(2), read(2), write(2), signal(7), waitpid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
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

/* What is known of the records so far; `rest` are the digits of one that is not whole yet. */
struct sum {
    uint64_t sum, value;
    unsigned count;
    size_t rest;
};

/* True when the record that ends the stream has come. */
static bool take_digit(struct sum *sum, char digit)
{
    sum->value = 10 * sum->value + (uint64_t)(digit - '0');
    if (++sum->rest < RECORD)
        return false;
    sum->rest = 0;
    if (sum->value == 0)
        return true;
    sum->sum += sum->value;
    sum->count++;
    sum->value = 0;
    return false;
}

static int read_records(int from)
{
    struct sum sum = {0};
    char bytes[1000]; /* no multiple of a record: nothing depends on it */
    bool over = false;
    size_t got;

    while (!over && (got = read_some(from, bytes, sizeof bytes)) > 0)
        for (size_t i = 0; i < got && !over; i++)
            over = take_digit(&sum, bytes[i]);
    printf("records %u sum %" PRIu64 " rest %zu\n", sum.count, sum.sum, sum.rest);
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

static void copy_input(int to)
{
    char bytes[4096];
    size_t n;
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
    sigset_t broken;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    if (sigprocmask(SIG_BLOCK, &broken, NULL) == -1)
        die("sigprocmask");
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
