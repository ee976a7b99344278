/*
 * Runs ./service with programs that fill both pipes, that leave early, or that look around.
 *
 * What is right is not known here: the first line of each report is printed as it came.
 */
#include "../harness.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than two pipes hold where pages are 64 KiB, and so a pipe 1 MiB: pipe(7). */
enum { MUCH = 4 << 20, ROOM = MUCH + 4096 };

static char much[MUCH];

/* The same bytes on every machine, NULs and all others among them. */
static void fill(void)
{
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < sizeof much; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        much[i] = (char)(state >> 24);
    }
}

static size_t first_line(const struct child *child)
{
    const char *end = memchr(child->output, '\n', child->length);
    return end == NULL ? child->length : (size_t)(end - child->output) + 1;
}

static void show(const char *key, const struct child *child, size_t most)
{
    printf("\"%s\": ", key);
    if (strcmp(ending(child), "exit 0") == 0)
        print_json_text(child->output, child->length, most);
    else
        printf("\"%s\"", ending(child));
    printf(", ");
}

static struct child talk(char *program, char *mode, size_t length)
{
    char *const argv[] = {"./service", program, mode, NULL};
    return run_to_end(argv, much, length, ROOM);
}

static void copy_much(void)
{
    struct child child = talk("./filter", "copy", sizeof much);
    size_t line = first_line(&child);
    bool intact = child.length == line + sizeof much && memcmp(child.output + line, much, sizeof much) == 0;
    show("both_full", &child, line);
    printf("\"both_full_intact\": %s, ", intact ? "true" : "false");
    finish(&child);
}

static void pour_first(void)
{
    struct child child = talk("./traps", "pour-first", MUCH);
    const char *tail = child.length > 8 ? child.output + child.length - 8 : "";
    show("pours_first", &child, first_line(&child));
    printf("\"pours_first_read\": ");
    print_json_text(tail, strlen(tail), 8);
    printf(", ");
    finish(&child);
}

/* How much went into the pipe before it broke is chance; that it was not all is not. */
static void leave_early(void)
{
    struct child child = talk("./traps", "leave", MUCH);
    unsigned long sent = MUCH;
    char rest[64] = "";
    sscanf(child.output, "sent %lu %63[^\n]", &sent, rest);
    printf("\"leaves_early\": ");
    print_json_text(rest, strlen(rest), sizeof rest);
    printf(", \"leaves_early_sent_all\": %s, ", sent < MUCH ? "false" : "true");
    finish(&child);
}

static void deaf(void)
{
    struct child child = talk("./traps", "deaf", MUCH);
    unsigned long sent = MUCH;
    char rest[64] = "";
    sscanf(child.output, "sent %lu %63[^\n]", &sent, rest);
    printf("\"deaf\": ");
    print_json_text(rest, strlen(rest), sizeof rest);
    printf(", ");
    finish(&child);
}

static void ask(const char *key, char *mode, size_t length)
{
    struct child child = talk("./traps", mode, length);
    show(key, &child, 200);
    finish(&child);
}

int main(void)
{
    harness_begin();
    fill();
    printf("{");
    copy_much();
    pour_first();
    leave_early();
    deaf();
    ask("mute", "mute", MUCH);
    ask("dies", "die", 10);
    ask("descriptors", "descriptors", 0);
    ask("sigpipe", "sigpipe", 0);
    char *const nobody[] = {"./service", "./no-such-program", NULL};
    struct child child = run_to_end(nobody, "", 0, ROOM);
    show("not_there", &child, 200);
    printf("\"end\": true}\n");
    finish(&child);
    return 0;
}
