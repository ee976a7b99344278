/*
 * Hidden tests of the logger: runs `hammer`, which has it linked in, and reads its lines.
 *
 * Man pages: sigqueue(3), getrlimit(2) "RLIMIT_SIGPENDING", sched_yield(2).
 */
#define _GNU_SOURCE 1
#include "../../support/child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STORM = 1000, MOST_LINES = 8, ROOM = 64 * 1024 };

static void show_count(const char *name, int count)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", count);
    show_text(name, digits);
}

static struct child hammer(const char *mode)
{
    char program[] = "./hammer", copy[LINE_ROOM];
    char *argv[] = {program, copy, NULL};
    snprintf(copy, sizeof copy, "%s", mode);
    return start_child(argv, NULL, ROOM);
}

/* Gives how it ended; it is killed if it was silent. */
static const char *end_of(struct child *child)
{
    bool silent = child->out.silent || child->err.silent;
    if (!silent)
        await_end(child);
    end_child(child);
    return silent ? "silent" : ending(child);
}

static int by_text(const void *one, const void *other)
{
    return strcmp(one, other);
}

/* All lines, in the order of the alphabet: which of two comes first is left to the logger. */
static void lines_of(struct child *child, char text[LINE_ROOM * MOST_LINES])
{
    char lines[MOST_LINES][LINE_ROOM];
    size_t count = 0;
    while (count < MOST_LINES && hear_line(&child->out, lines[count]))
        count++;
    if (count < MOST_LINES && lines[count][0] != '\0')
        count++; /* one without its newline */
    qsort(lines, count, sizeof *lines, by_text);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        strcat(text, i == 0 ? "" : "|");
        strcat(text, lines[i]);
    }
}

static void try_texts(void)
{
    static const char *const NAMES[] = {"longer_text", "longest_text", "empty_text",
                                        "odd_text",    "most",         "least"};
    char line[LINE_ROOM];
    struct child child = hammer("texts");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        show_text(NAMES[i], hear_line(&child.out, line) ? line : "nothing");
    show_text("texts_end", end_of(&child));
}

/* What it noted is the first line on its standard error that begins with `key`. */
static void show_note(struct child *child, const char *key, const char *name)
{
    char line[LINE_ROOM];
    size_t length = strlen(key);
    while (hear_line(&child->err, line))
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            show_text(name, line + length + 1);
            return;
        }
    show_text(name, "nothing");
}

/* Whether the lines were as they must be for the storm to be worth while. */
static bool try_planned(const char *mode, const char *note)
{
    char text[LINE_ROOM * MOST_LINES];
    struct child child = hammer(mode);
    lines_of(&child, text);
    show_text(mode, text);
    show_note(&child, "errno", note);
    end_of(&child);
    return strcmp(text, "main 1|signal 2") == 0 || strcmp(text, "main 1") == 0;
}

/* As above. Who never blocks signals is not interrupted here. */
static bool try_entered(void)
{
    char text[LINE_ROOM * MOST_LINES];
    struct child child = hammer("entered");
    lines_of(&child, text);
    show_text("entered", text);
    end_of(&child);
    return strcmp(text, "main 1|signal 2") == 0 || strcmp(text, "main 1") == 0;
}

static void try_noted(const char *mode, const char *key, const char *name)
{
    char text[LINE_ROOM * MOST_LINES];
    struct child child = hammer(mode);
    lines_of(&child, text);
    show_note(&child, key, name);
    end_of(&child);
}

/* A sender of its own, for somebody must read meanwhile. Each signal counts: they are queued. */
static pid_t send_storm(pid_t target)
{
    pid_t sender = fork();
    if (sender == -1)
        cannot_start();
    if (sender != 0)
        return sender;
    for (int i = 0; i < STORM; i++) {
        union sigval value = {.sival_int = i};
        while (sigqueue(target, SIGRTMIN, value) == -1)
            if (errno != EAGAIN || sched_yield() == -1) /* too many are queued: wait */
                _exit(1);
    }
    _exit(0);
}

/* Counts the line if it is one of a storm's, at most once for each number. */
static bool count_line(const char *line, bool seen[STORM])
{
    char *rest;
    const char *number = strchr(line, ' ');
    long value = number == NULL ? -1 : strtol(number + 1, &rest, 10);
    if (value < 0 || value >= STORM || *rest != '\0' || seen[value])
        return false;
    seen[value] = true;
    return true;
}

static void try_storm(void)
{
    static bool from_main[STORM], from_handler[STORM];
    char line[LINE_ROOM];
    int mains = 0, signals = 0, broken = 0;
    struct child child = hammer("storm");
    while (hear_line(&child.err, line) && strcmp(line, "storm ready") != 0)
        continue;
    pid_t sender = send_storm(child.pid);
    while (hear_line(&child.out, line)) {
        if (strncmp(line, "main ", 5) == 0 && count_line(line, from_main))
            mains++;
        else if (strncmp(line, "signal ", 7) == 0 && count_line(line, from_handler))
            signals++;
        else
            broken++;
    }
    if (kill(sender, SIGKILL) == -1)
        die("the sender");
    wait_for(sender);
    show_count("storm_lines", mains);
    show_count("storm_lines_of_handler", signals);
    show_count("storm_lines_broken", broken);
    show_text("storm_end", end_of(&child));
}

int main(void)
{
    protect_tester();
    try_texts();
    bool whole = try_planned("interrupted", "errno_when_interrupted");
    whole = try_entered() && whole;
    whole = try_planned("parted", "errno_when_parted") && whole;
    whole = try_planned("refused", "errno_when_refused") && whole;
    try_noted("watched", "unsafe", "unsafe_in_handler");
    try_noted("mask", "mask", "mask");
    try_noted("gone", "errno", "errno_when_nobody_reads");
    if (whole) /* else it may turn out one way or the other */
        try_storm();
    show_end();
    return 0;
}
