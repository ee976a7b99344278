/*
 * The visible tests: who and where is a command in the container, and what does it see?
 *
 *   tester          the tests; prints what was observed
 *   tester look     the command
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box.h"

enum { NAME_SIZE = 64 };

static int look(void)
{
    char name[NAME_SIZE + 1] = "";
    if (gethostname(name, NAME_SIZE) == -1)
        die("gethostname");
    printf("pid=%d parent=%d uid=%d ", (int)getpid(), (int)getppid(), (int)getuid());
    printf("named=%d processes=%d\n", strcmp(name, BOX_NAME) == 0, count_entries("/proc", true));
    return 7;
}

int main(int argc, char *argv[])
{
    char before[NAME_SIZE + 1] = "", after[NAME_SIZE + 1] = "";

    if (argc == 2 && strcmp(argv[1], "look") == 0)
        return look();
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    be_opaque();
    if (gethostname(before, NAME_SIZE) == -1)
        die("gethostname");
    struct run run = run_boxed("./tester", "look", NULL);
    if (gethostname(after, NAME_SIZE) == -1)
        die("gethostname");
    printf("{\"pid\": %ld, \"parent\": %ld, ", number_of(run.out, "pid"), number_of(run.out, "parent"));
    printf("\"uid\": %ld, ", number_of(run.out, "uid"));
    printf("\"named\": %s, ", number_of(run.out, "named") == 1 ? "true" : "false");
    printf("\"processes\": %ld, ", number_of(run.out, "processes"));
    printf("\"name_outside_same\": %s, ", strcmp(before, after) == 0 ? "true" : "false");
    printf("\"ended\": \"%s\"}\n", run.ended);
    return 0;
}
