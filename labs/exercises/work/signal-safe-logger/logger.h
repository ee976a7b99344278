/*
 * logger.h - what you write in logger.c, and what demo.c and the tests call.
 */
#ifndef LOGGER_H
#define LOGGER_H

/*
 * Writes one line to `fd`: `text`, a blank, `number` in decimal digits, a newline. May be called from
 * everywhere, also from handlers of signals, and leaves errno and the signal mask as they were.
 */
void log_line(int fd, const char *text, long number);

#endif
