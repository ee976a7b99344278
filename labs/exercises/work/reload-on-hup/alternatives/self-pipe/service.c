/*
 * Another design: the handler writes a byte into a pipe to this very process, and poll(2) waits for the pipe as for
 * the input. The signals are never blocked; SA_RESTART and a handler that does nothing else keep answers whole.
 *
 * A daemon that reads its configuration again at SIGHUP, between two requests, and ends at SIGTERM.
 *
 *   service CONFIGURATION
 *
 * Man pages: signal(7), sigaction(2), pipe(7), poll(2), signal-safety(7), open(2).
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

static int notes[2]; /* a pipe: 'h' and 't' */
static const char *path;
static struct configuration current;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void note(int number)
{
    int before = errno;
    char byte = number == SIGHUP ? 'h' : 't';
    /* A pipe that is full holds a note of SIGHUP already; SIGTERM is sent again by whoever means it. */
    (void)!write(notes[1], &byte, 1);
    errno = before;
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

static bool parse_times(const char *value, int *times)
{
    char *rest;
    if (*value < '0' || *value > '9')
        return false; /* strtol() would take blanks and signs */
    errno = 0;
    long number = strtol(value, &rest, 10);
    if (errno != 0 || *rest != '\0' || number < 1 || number > MOST_TIMES)
        return false;
    *times = (int)number;
    return true;
}

static bool parse_line(const char *line, struct configuration *next)
{
    if (strncmp(line, "greeting ", 9) == 0) {
        size_t length = strlen(line + 9);
        if (next->greeting[0] != '\0' || length == 0 || length > LONGEST_GREETING)
            return false;
        memcpy(next->greeting, line + 9, length + 1);
        return true;
    }
    return strncmp(line, "times ", 6) == 0 && next->times == 0 && parse_times(line + 6, &next->times);
}

/* Whole lines, the last of them "end": without it the file is still being written. */
static bool parse(char *text, struct configuration *next)
{
    memset(next, 0, sizeof *next);
    for (char *line = text, *stop; (stop = strchr(line, '\n')) != NULL; line = stop + 1) {
        *stop = '\0';
        if (strcmp(line, "end") == 0)
            return stop[1] == '\0' && next->greeting[0] != '\0' && next->times != 0;
        if (!parse_line(line, next))
            return false;
    }
    return false;
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

/* Takes the notes there are. One that comes while the file is read is another reload. */
static void act_on_signals(void)
{
    char taken[64];
    ssize_t n;
    bool reload = false;
    while ((n = read(notes[0], taken, sizeof taken)) > 0) {
        if (memchr(taken, 't', (size_t)n) != NULL)
            exit(0);
        reload = true;
    }
    if (reload)
        report(load() ? "reloaded" : "kept");
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
        act_on_signals();
        if (!too_long)
            answer(name);
        length = 0;
        too_long = false;
    }
}

static void prepare_signals(void)
{
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGHUP);
    sigaddset(&both, SIGTERM);
    action.sa_mask = both;
    if (pipe2(notes, O_CLOEXEC | O_NONBLOCK) == -1)
        die("pipe2");
    if (sigaction(SIGHUP, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1)
        die("sigaction");
    /* Whoever started us may have blocked them. */
    if (sigprocmask(SIG_UNBLOCK, &both, NULL) == -1)
        die("sigprocmask");
}

int main(int argc, char *argv[])
{
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
        struct pollfd ready[] = {
            {.fd = notes[0], .events = POLLIN},
            {.fd = STDIN_FILENO, .events = POLLIN},
        };
        int count = poll(ready, 2, -1); /* is interrupted in spite of SA_RESTART: signal(7) */
        if (count == -1 && errno != EINTR)
            die("poll");
        act_on_signals();
        if (count > 0 && ready[1].revents != 0)
            take_input();
    }
}
