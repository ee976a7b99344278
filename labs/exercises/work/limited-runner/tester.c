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

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

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
    struct run run = {0};
    char path[GROUP_SIZE] = "", here[GROUP_SIZE], memory[32] = "", pids[32] = "", line[64] = "";
    struct child child = start_limited("./tester", "look", NULL);
    tell(child.in, "hello\n", 6);
    finish(&child, &run, 0);
    group_of(getpid(), here);
    sscanf(run.out, "%255s %31s %31s %63s", path, memory, pids, line);
    bool own = path[0] == '/' && strcmp(path, here) != 0;
    printf("\"in_group\": %s, ", json_bool(own));
    printf("\"memory_max\": %ld, \"pids_max\": %ld, ", strtol(memory, NULL, 10), strtol(pids, NULL, 10));
    printf("\"talks\": %s, ", json_bool(strcmp(line, "hello") == 0));
    printf("\"report\": \"%s\", \"ended\": \"%s\", ", run.report, run.ended);
    printf("\"removed\": %s, ", json_bool(own && !group_exists(path)));
}

int main(int argc, char *argv[])
{
    if (argc == 2)
        return be_command(argv[1]);
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    be_opaque();
    struct run modest = run_limited("./tester", "modest");
    struct run greedy = run_limited("./tester", "greedy");
    printf("{");
    test_look();
    printf("\"modest_report\": \"%s\", \"greedy_report\": \"%s\"}\n", modest.report, greedy.report);
    return 0;
}
