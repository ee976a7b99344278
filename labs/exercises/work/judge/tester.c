/*
 * Lets ./service judge programs, and prints its verdicts with what it says that they wrote.
 *
 * What is right is not known here.
 */
#include "../support/child.h"

#include <string.h>

enum { ROOM = 8192, SHOWN = 200 };

/* Generous where a program should come to its end: machines can be fifty times slower than ours. */
#define LONG "25000"
#define SHORT "500"
#define MEMORY "16384"

/* Milliseconds: a judge sleeps as long as the guest that it waits for may take. */
enum { JUDGES_SILENCE = 30 * 1000 };

static void ask(const char *key, char *time, char *output, char *expected, char *guest)
{
    char *const argv[] = {"./service", time, MEMORY, output, "input.txt", expected, "./guest", guest, NULL};
    struct child child = start_child(argv, NULL, ROOM);
    child.silence = JUDGES_SILENCE;
    hear_out(&child);
    if (strcmp(ending(&child), "exit 0") == 0)
        show_bytes(key, child.out.text, child.out.length, SHOWN);
    else
        show_text(key, ending(&child));
    end_child(&child);
}

int main(void)
{
    protect_tester();
    ask("hello", LONG, "1000", "hello.txt", "hello");
    ask("wrong", LONG, "1000", "input.txt", "hello");
    ask("count", LONG, "1000", "count.txt", "count");
    ask("fails", LONG, "1000", "hello.txt", "fail");
    ask("crashes", LONG, "1000", "hello.txt", "crash");
    ask("spins", SHORT, "1000", "hello.txt", "spin");
    ask("floods", LONG, "10", "hello.txt", "flood");
    show_end();
    return 0;
}
