/*
 * Wrong: of a text the first 80 bytes are written, as many as fit on a line of a terminal.
 */
#define _GNU_SOURCE
#include "logger.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* Bytes of a text; decimal digits of a long and its sign, for 64 bits. */
enum { LONGEST_TEXT = 80, LONGEST_NUMBER = 20 };

struct line {
    size_t length;
    char bytes[LONGEST_TEXT + 1 + LONGEST_NUMBER + 1];
};

static void add_text(struct line *line, const char *text)
{
    for (size_t i = 0; i < LONGEST_TEXT && text[i] != '\0'; i++) {
        char byte = text[i];
        /* A newline in a text would be a line that nobody logged. */
        line->bytes[line->length++] = byte < ' ' || byte > '~' ? '?' : byte;
    }
}

/* By its absolute value as unsigned long: that of LONG_MIN is no long. */
static void add_number(struct line *line, long number)
{
    char digits[LONGEST_NUMBER];
    size_t count = 0;
    unsigned long rest = number < 0 ? 0UL - (unsigned long)number : (unsigned long)number;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        line->bytes[line->length++] = '-';
    while (count > 0)
        line->bytes[line->length++] = digits[--count];
}

/* All of it, whatever it takes; but not if nobody can get it any more. */
static void write_out(int fd, const struct line *line)
{
    size_t done = 0;
    while (done < line->length) {
        ssize_t n = write(fd, line->bytes + done, line->length - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            (void)poll(&room, 1, -1); /* if it fails, the next write tells */
        } else if (errno != EINTR) {
            return;
        }
    }
}

void log_line(int fd, const char *text, long number)
{
    int saved = errno;
    sigset_t all, before;
    struct line line;

    line.length = 0;
    add_text(&line, text);
    line.bytes[line.length++] = ' ';
    add_number(&line, number);
    line.bytes[line.length++] = '\n';
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) == 0) {
        write_out(fd, &line);
        (void)sigprocmask(SIG_SETMASK, &before, NULL); /* as the call before, it cannot fail */
    }
    errno = saved;
}
