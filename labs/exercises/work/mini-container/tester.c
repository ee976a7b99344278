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
    protect_tester();
    if (gethostname(before, NAME_SIZE) == -1)
        die("gethostname");
    struct run run = run_boxed("./tester", "look", NULL);
    if (gethostname(after, NAME_SIZE) == -1)
        die("gethostname");
    show_number("pid", number_of(run.out, "pid"));
    show_number("parent", number_of(run.out, "parent"));
    show_number("uid", number_of(run.out, "uid"));
    show_bool("named", number_of(run.out, "named") == 1);
    show_number("processes", number_of(run.out, "processes"));
    show_bool("name_outside_same", strcmp(before, after) == 0);
    show_text("ended", run.ended);
    show_end();
    return 0;
}
