/*
 * Another design: signals are blocked before anything else, the digits come by recursion, and room in a
 * descriptor that does not wait is waited for by select(2), which is on the list as well.
 *
 * Man pages: signal-safety(7), sigprocmask(2), write(2), select(2), poll(2), errno(3).
 */
#define _GNU_SOURCE
#include "logger.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <unistd.h>

enum { MOST_TEXT = 100, ROOM = 128 };

static size_t append_digits(char *line, size_t length, unsigned long value)
{
    if (value >= 10)
        length = append_digits(line, length, value / 10);
    line[length] = (char)('0' + value % 10);
    return length + 1;
}

static size_t compose(char line[ROOM], const char *text, long number)
{
    unsigned long value = (unsigned long)number;
    size_t length = 0;
    for (; length < MOST_TEXT && text[length] != '\0'; length++)
        line[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
    line[length++] = ' ';
    if (number < 0) {
        line[length++] = '-';
        value = -value; /* of unsigned numbers: modulo, and right for the least long too */
    }
    length = append_digits(line, length, value);
    line[length++] = '\n';
    return length;
}

static void wait_for_room(int fd)
{
    if (fd < FD_SETSIZE) {
        fd_set room;
        FD_ZERO(&room);
        FD_SET(fd, &room);
        (void)select(fd + 1, NULL, &room, NULL, NULL);
    } else { /* there is no place for it in the set */
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        (void)poll(&room, 1, -1);
    }
}

void log_line(int fd, const char *text, long number)
{
    sigset_t all, before;
    int saved = errno;
    char line[ROOM];

    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, &before) == 0) {
        size_t length = compose(line, text, number), done = 0;
        while (done < length) {
            ssize_t n = write(fd, line + done, length - done);
            if (n >= 0)
                done += (size_t)n;
            else if (errno == EAGAIN || errno == EWOULDBLOCK)
                wait_for_room(fd);
            else if (errno != EINTR)
                break;
        }
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    errno = saved;
}
