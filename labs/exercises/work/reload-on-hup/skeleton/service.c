/*
 * A daemon that reads its configuration again at SIGHUP, and ends at SIGTERM.
 *
 *   service CONFIGURATION
 *
 * The reading of requests and of good configurations is here. Signals, and what to do with
 * configurations that are not good, are yours: see the TODOs.
 *
 * Man pages: signal(7), sigaction(2), sigprocmask(2), ppoll(2), signal-safety(7), open(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_FILE = 1024, LONGEST_GREETING = 40, LONGEST_NAME = 40, MOST_TIMES = 5000 };

struct configuration {
    char greeting[LONGEST_GREETING + 1];
    int times;
};

static const char *path;
static struct configuration current;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The whole file as a text; false if there is none, or none that could be a configuration. */
static bool read_file(char text[LONGEST_FILE + 1])
{
    size_t length = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    do {
        n = read(fd, text + length, LONGEST_FILE + 1 - length);
        length += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n == -1 && errno == EINTR));
    close(fd);
    if (n == -1 || length > LONGEST_FILE)
        return false;
    text[length] = '\0';
    return strlen(text) == length;
}

/* TODO: true only for a whole file without a mistake; see the rules. This takes anything. */
static bool parse(const char *text, struct configuration *next)
{
    memset(next, 0, sizeof *next);
    sscanf(text, "greeting %40[^\n]\ntimes %d", next->greeting, &next->times);
    return true;
}

/* All or nothing: what is in force changes in one assignment. */
static bool load(void)
{
    char text[LONGEST_FILE + 1];
    struct configuration next;
    if (!read_file(text) || !parse(text, &next))
        return false;
    current = next;
    return true;
}

static void report(const char *what)
{
    if (dprintf(STDERR_FILENO, "%s\n", what) < 0)
        exit(1);
}

static void answer(const char *name)
{
    for (int i = 0; i < current.times; i++)
        if (printf("%s, %s\n", current.greeting, name) < 0)
            die("stdout");
    if (puts(".") == EOF || fflush(stdout) == EOF)
        die("stdout");
}

/* Takes bytes as they come, so half a request never holds it up. */
static void take_input(void)
{
    static char name[LONGEST_NAME + 1];
    static size_t length;
    static bool too_long;
    char bytes[512];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    if (n == -1)
        die("stdin");
    if (n == 0)
        exit(0);
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            too_long = too_long || length == LONGEST_NAME;
            if (!too_long)
                name[length++] = bytes[i];
            continue;
        }
        name[length] = '\0';
        /* TODO: a SIGHUP that came during the answer before is due here */
        if (!too_long)
            answer(name);
        length = 0;
        too_long = false;
    }
}

/* TODO: SIGHUP reloads and reports "reloaded" or "kept"; SIGTERM ends the daemon with status 0. */
static void prepare_signals(void)
{
}

int main(int argc, char *argv[])
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (argc != 2) {
        fprintf(stderr, "usage: %s CONFIGURATION\n", argv[0]);
        return 1;
    }
    path = argv[1];
    prepare_signals();
    if (!load()) {
        fprintf(stderr, "%s: no good configuration\n", path);
        return 1;
    }
    report("ready");
    for (;;) {
        /* TODO: no signal may be missed between looking whether one has come and this waiting */
        if (poll(&input, 1, -1) == -1 && errno != EINTR)
            die("poll");
        if (input.revents != 0)
            take_input();
    }
}
