/*
 * A logger that may be called from handlers of signals: yours to write. logger.h says what it does, the
 * README which rules it keeps.
 *
 * Man pages: signal-safety(7), sigprocmask(2), write(2), poll(2), errno(3).
 */
#define _GNU_SOURCE
#include "logger.h"

#include <string.h>
#include <unistd.h>

void log_line(int fd, const char *text, long number)
{
    /* TODO: the number and the newline; bounds; every byte of the line, and nobody else's within it;
     * errno. */
    (void)number;
    if (write(fd, text, strlen(text)) == -1)
        return;
}
