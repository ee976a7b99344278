/*
 * Another design: the line is put together from its end, where the digits come out in the right order, in a
 * buffer that belongs to this call alone.
 *
 * Man pages: signal-safety(7), sigprocmask(2), write(2), poll(2), errno(3).
 */
#define _GNU_SOURCE
#include "logger.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 100, NUMBER = 3 * sizeof(long) + 1, ROOM = TEXT + 1 + NUMBER + 1 };

static char *prepend_number(char *start, long number)
{
    /* Towards zero or away from it: a negative rest is taken off instead of turning the number around. */
    long rest = number;
    do {
        int digit = (int)(rest % 10);
        *--start = (char)('0' + (digit < 0 ? -digit : digit));
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        *--start = '-';
    return start;
}

static char *prepend_text(char *start, const char *text)
{
    size_t length = strnlen(text, TEXT);
    while (length > 0) {
        unsigned char byte = (unsigned char)text[--length];
        *--start = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    return start;
}

/* True while it is worth another try. */
static bool may_go_on(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        return false;
    while (poll(&room, 1, -1) == -1 && errno == EINTR)
        continue;
    return true;
}

void log_line(int fd, const char *text, long number)
{
    int before = errno;
    char line[ROOM], *end = line + ROOM, *start = end;
    sigset_t everything, old;

    *--start = '\n';
    start = prepend_number(start, number);
    *--start = ' ';
    start = prepend_text(start, text);
    sigfillset(&everything);
    if (sigprocmask(SIG_BLOCK, &everything, &old) == 0) {
        for (ssize_t n = 0; start < end; start += n > 0 ? n : 0) {
            n = write(fd, start, (size_t)(end - start));
            if (n == -1 && !may_go_on(fd))
                break;
        }
        sigprocmask(SIG_SETMASK, &old, NULL);
    }
    errno = before;
}
