/*
 * Runs ./service with filters that read and write in different orders, and prints its reports.
 *
 * What the report should have been is not known here. See README.md for what it consists of.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUCH = 256 * 1024, ROOM = MUCH + 4096, SHOWN = 200 };

static char much[MUCH];

/* One observation: how ./service ended, if not with status 0, else what it printed, from the start. */
static void show(const char *key, const struct child *child, size_t most)
{
    printf("\"%s\": ", key);
    if (strcmp(ending(child), "exit 0") == 0)
        print_json_text(child->output, child->length, most);
    else
        printf("\"%s\"", ending(child));
}

static void ask(const char *key, char *const argv[], const char *input, size_t length)
{
    struct child child = run_to_end(argv, input, length, ROOM);
    show(key, &child, SHOWN);
    printf(", ");
    finish(&child);
}

/* Only the line is shown, and whether as many bytes follow as were poured, all as they were. */
static void ask_for_much(void)
{
    char *const argv[] = {"./service", "./filter", "pour", "262144", NULL};
    struct child child = run_to_end(argv, "little\n", 7, ROOM);
    const char *end = memchr(child.output, '\n', child.length);
    size_t line = end == NULL ? child.length : (size_t)(end - child.output) + 1;
    show("produces", &child, line);
    memset(much, 'x', sizeof much);
    bool intact = child.length == line + sizeof much && memcmp(child.output + line, much, sizeof much) == 0;
    printf(", \"produces_intact\": %s}\n", intact ? "true" : "false");
    finish(&child);
}

int main(void)
{
    char *const copy[] = {"./service", "./filter", "copy", NULL};
    char *const count[] = {"./service", "./filter", "count", NULL};
    char *const fail[] = {"./service", "./filter", "fail", NULL};
    harness_begin();
    memset(much, 'a', sizeof much);
    printf("{");
    ask("small", copy, "hello\n", 6);
    ask("empty", copy, "", 0);
    ask("collects", count, much, sizeof much);
    ask("status", fail, "hello\n", 6);
    ask_for_much();
    return 0;
}
