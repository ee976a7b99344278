/*
 * What happens when a signal comes while a handler runs.
 *
 * Each handler writes "<" when it begins and ">" when it ends, with a letter for which it is; in
 * its first run it raises signals. The order of the marks is the answer: "<a a><a a>" is one after
 * the other, "<a <b b> a>" is one within the other.
 *
 * Man pages: sigaction(2) sa_mask and SA_NODEFER, signal(7), raise(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 };

/* Written by handlers, read when all of them have returned. */
static volatile char trace[LONGEST + 1];
static volatile sig_atomic_t length;
static volatile sig_atomic_t to_raise; /* what the first run raises */
static volatile sig_atomic_t times;    /* and how often */

static void mark(char sign)
{
    if (length < LONGEST) {
        trace[length] = sign;
        length = length + 1;
    }
}

/* raise() is async-signal-safe: signal-safety(7). */
static void handle(int number)
{
    char letter = number == SIGUSR1 ? 'a' : 'b';
    mark('<');
    mark(letter);
    int repeat = times;
    times = 0;
    for (int i = 0; i < repeat; i++)
        (void)raise(to_raise);
    mark(letter);
    mark('>');
}

static int arrange(int number, int flags, int also_held)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    if (also_held != 0)
        sigaddset(&action.sa_mask, also_held);
    return sigaction(number, &action, NULL);
}

/* Handles SIGUSR1, in whose first run `inner` is raised `count` times; copies the trace. */
static int trial(int flags, int also_held, int inner, int count, char *result)
{
    if (arrange(SIGUSR1, flags, also_held) == -1 || arrange(SIGUSR2, 0, 0) == -1)
        return -1;
    length = 0;
    to_raise = inner;
    times = count;
    if (raise(SIGUSR1) != 0)
        return -1;
    for (int i = 0; i < length; i++)
        result[i] = trace[i];
    result[length] = '\0';
    return 0;
}

int main(void)
{
    char same[LONGEST + 1], thrice[LONGEST + 1], nested[LONGEST + 1];
    char other[LONGEST + 1], other_held[LONGEST + 1];
    if (trial(0, 0, SIGUSR1, 1, same) == -1 || trial(0, 0, SIGUSR1, 3, thrice) == -1 ||
        trial((int)SA_NODEFER, 0, SIGUSR1, 2, nested) == -1 ||
        trial(0, 0, SIGUSR2, 1, other) == -1 || trial(0, SIGUSR2, SIGUSR2, 1, other_held) == -1) {
        perror("arranging the handlers");
        return 1;
    }
    printf("the same signal within its handler: %s\n", same);
    printf("{\"same\": \"%s\", \"same_three_times\": \"%s\", \"nodefer\": \"%s\", ", same, thrice,
           nested);
    printf("\"other\": \"%s\", \"other_in_mask\": \"%s\"}\n", other, other_held);
    return 0;
}
