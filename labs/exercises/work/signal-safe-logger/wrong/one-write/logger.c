/*
 * A logger that is to be called from handlers of signals.
 *
 * Wrong: it calls write() once and hopes. What was interrupted, found no room, or took a part of the line
 * only, is lost. Signals are blocked, and only safe functions are called.
 */
#define _GNU_SOURCE
#include "logger.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* Bytes of a text; decimal digits of a long and its sign, for 64 bits. */
enum { LONGEST_TEXT = 100, LONGEST_NUMBER = 20 };

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

static void write_out(int fd, const struct line *line)
{
    if (write(fd, line->bytes, line->length) == -1)
        return; /* wrong, and so is not to look how much was taken */
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
