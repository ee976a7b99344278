/* The visible tests: what ./answer prints for a few numbers. What is right is in exercise.yaml. */
#include "../support/child.h"

#include <string.h>

enum { ROOM = 4096, SHOWN = 200 };

static void ask(const char *key, const char *numbers)
{
    char *const argv[] = {"./answer", NULL};
    struct child child = run_to_end(argv, numbers, strlen(numbers), ROOM);
    show_bytes(key, child.out.text, child.out.length, SHOWN);
    end_child(&child);
}

int main(void)
{
    protect_tester();
    ask("three", "1 2 3\n");
    ask("none", "");
    ask("negative", "-7 2\n");
    show_end();
    return 0;
}
