/*
 * Runs ./service with filters that read and write in different orders, and prints its reports.
 *
 * What the report should have been is not known here. See README.md for what it consists of.
 */
#include "../support/child.h"

#include <string.h>

enum { MUCH = 256 * 1024, ROOM = MUCH + 4096, SHOWN = 200 };

static char much[MUCH];

/* One observation: how ./service ended, if not with status 0, else what it printed, from the start. */
static void show(const char *key, const struct child *child, size_t most)
{
    if (strcmp(ending(child), "exit 0") == 0)
        show_bytes(key, child->out.text, child->out.length, most);
    else
        show_text(key, ending(child));
}

static void ask(const char *key, char *const argv[], const char *input, size_t length)
{
    struct child child = run_to_end(argv, input, length, ROOM);
    show(key, &child, SHOWN);
    end_child(&child);
}

/* Only the line is shown, and whether as many bytes follow as were poured, all as they were. */
static void ask_for_much(void)
{
    char *const argv[] = {"./service", "./filter", "pour", "262144", NULL};
    struct child child = run_to_end(argv, "little\n", 7, ROOM);
    const char *said = child.out.text, *end = memchr(said, '\n', child.out.length);
    size_t line = end == NULL ? child.out.length : (size_t)(end - said) + 1;
    show("produces", &child, line);
    memset(much, 'x', sizeof much);
    bool intact = child.out.length == line + sizeof much && memcmp(said + line, much, sizeof much) == 0;
    show_bool("produces_intact", intact);
    end_child(&child);
}

int main(void)
{
    char *const copy[] = {"./service", "./filter", "copy", NULL};
    char *const count[] = {"./service", "./filter", "count", NULL};
    char *const fail[] = {"./service", "./filter", "fail", NULL};
    protect_tester();
    memset(much, 'a', sizeof much);
    ask("small", copy, "hello\n", 6);
    ask("empty", copy, "", 0);
    ask("collects", count, much, sizeof much);
    ask("status", fail, "hello\n", 6);
    ask_for_much();
    show_end();
    return 0;
}
