/*
 * The programs that ./service judges in the visible tests.
 *
 *   guest hello    writes a line
 *   guest count    writes how many bytes it has read
 *   guest fail     writes a line and ends with status 3
 *   guest crash    writes through a null pointer
 *   guest spin     never ends
 *   guest flood    writes without end
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 4096, FAILED = 3 };

static unsigned long count_input(void)
{
    char buffer[CHUNK];
    unsigned long total = 0;
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
        if (got == -1 && errno != EINTR)
            exit(1);
        total += got > 0 ? (unsigned long)got : 0;
    }
    return total;
}

static _Noreturn void flood(void)
{
    char letters[CHUNK];
    memset(letters, 'x', sizeof letters);
    for (;;)
        if (write(STDOUT_FILENO, letters, sizeof letters) == -1 && errno != EINTR)
            exit(1);
}

int main(int argc, char *argv[])
{
    const char *what = argc > 1 ? argv[1] : "";
    volatile unsigned long turns = 0;
    if (strcmp(what, "hello") == 0)
        puts("hello");
    else if (strcmp(what, "count") == 0)
        printf("%lu\n", count_input());
    else if (strcmp(what, "fail") == 0)
        return puts("hello"), FAILED;
    else if (strcmp(what, "crash") == 0)
        *(volatile int *)(argc - 2L) = 1;
    else if (strcmp(what, "flood") == 0)
        flood();
    while (strcmp(what, "spin") == 0)
        turns++;
    return 0;
}
