/*
 * Lets ./service judge programs, and prints its verdicts with what it says that they wrote.
 *
 * What is right is not known here.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 8192, SHOWN = 200 };

/* Generous where a program should come to its end: machines can be fifty times slower than ours. */
#define LONG "25000"
#define SHORT "500"
#define MEMORY "16384"

static void ask(const char *key, char *time, char *output, char *expected, char *guest)
{
    char *const argv[] = {"./service", time, MEMORY, output, "input.txt", expected, "./guest", guest, NULL};
    struct child child = run_to_end(argv, "", 0, ROOM);
    printf("\"%s\": ", key);
    if (strcmp(ending(&child), "exit 0") == 0)
        print_json_text(child.output, child.length, SHOWN);
    else
        printf("\"%s\"", ending(&child));
    finish(&child);
}

int main(void)
{
    harness_begin();
    printf("{");
    ask("hello", LONG, "1000", "hello.txt", "hello");
    printf(", ");
    ask("wrong", LONG, "1000", "input.txt", "hello");
    printf(", ");
    ask("count", LONG, "1000", "count.txt", "count");
    printf(", ");
    ask("fails", LONG, "1000", "hello.txt", "fail");
    printf(", ");
    ask("crashes", LONG, "1000", "hello.txt", "crash");
    printf(", ");
    ask("spins", SHORT, "1000", "hello.txt", "spin");
    printf(", ");
    ask("floods", LONG, "10", "hello.txt", "flood");
    printf("}\n");
    return 0;
}
