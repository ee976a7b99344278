/*
 * The visible tests: limits that hold, a report that is right, a group that is gone afterwards.
 *
 *   tester          the tests; prints what was observed
 *   tester WORD     a command to be limited
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limited.h"

enum { MODEST = 4 * MIB, GREEDY = 64 * MIB };

/* Prints the path of its group and two limits of it, and repeats a line. */
static int look(void)
{
    char path[GROUP_SIZE], memory[TEXT_SIZE], pids[TEXT_SIZE], line[64] = "";
    await_group(path);
    group_file(path, "memory.max", memory);
    group_file(path, "pids.max", pids);
    if (fgets(line, sizeof line, stdin) == NULL)
        return 1;
    printf("%s %.20s %.20s %s", path, memory, pids, line);
    return 7;
}

static int be_command(const char *word)
{
    char path[GROUP_SIZE];
    if (strcmp(word, "look") == 0)
        return look();
    await_group(path);
    touch(strcmp(word, "modest") == 0 ? MODEST : GREEDY);
    return 0;
}

static void test_look(void)
{
    char path[GROUP_SIZE] = "", here[GROUP_SIZE], memory[32] = "", pids[32] = "", line[64] = "";
    struct child child = start_limited("./tester", "look", NULL);
    tell(&child, "hello\n", 6);
    struct run run = finish(&child);
    group_of(getpid(), here);
    sscanf(run.out, "%255s %31s %31s %63s", path, memory, pids, line);
    bool own = path[0] == '/' && strcmp(path, here) != 0;
    show_bool("in_group", own);
    show_number("memory_max", strtol(memory, NULL, 10));
    show_number("pids_max", strtol(pids, NULL, 10));
    show_bool("talks", strcmp(line, "hello") == 0);
    show_text("report", run.report);
    show_text("ended", run.ended);
    show_bool("removed", own && !group_exists(path));
}

int main(int argc, char *argv[])
{
    if (argc == 2)
        return be_command(argv[1]);
    protect_tester();
    show_text("modest_report", run_limited("./tester", "modest").report);
    show_text("greedy_report", run_limited("./tester", "greedy").report);
    test_look();
    show_end();
    return 0;
}
