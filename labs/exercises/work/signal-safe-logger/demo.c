/*
 * A small program that logs from its main part and from a handler, for you to try logger.c with.
 *
 * Man pages: sigaction(2), raise(3).
 */
#define _GNU_SOURCE
#include "logger.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void log_signal(int number)
{
    (void)number; /* SIGUSR1 has other numbers on other machines */
    log_line(STDOUT_FILENO, "in the handler", 2);
}

int main(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = log_signal;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1) {
        perror("sigaction");
        return 1;
    }
    log_line(STDOUT_FILENO, "start", 1);
    errno = ERANGE;
    if (raise(SIGUSR1) != 0) {
        perror("raise");
        return 1;
    }
    log_line(STDOUT_FILENO, "end", -3);
    return errno == ERANGE ? 0 : 1;
}
