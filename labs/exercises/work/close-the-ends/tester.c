/*
 * The visible tests of pair: what it answers to records that end as they should, and how it ends.
 * It starts ./pair as it is, gives it records on a pipe, and prints what came back; what is right is
 * in exercise.yaml.
 */
#include "../support/child.h"

#include <string.h>

enum { ROOM = 4096 };

static void show_answer(const char *name, struct child *pair)
{
    char line[LINE_ROOM];
    hear_line(&pair->out, line);
    show_text(name, line);
}

int main(void)
{
    static const char none[] = "0000000000000000";
    static const char three[] = "0000000000000010"
                                "0000000000000020"
                                "0000000000000030"
                                "0000000000000000";
    char *const command[] = {"./pair", NULL};
    protect_tester();
    struct child pair = run_to_end(command, none, strlen(none), ROOM);
    show_answer("no_records", &pair);
    end_child(&pair);
    pair = run_to_end(command, three, strlen(three), ROOM);
    show_answer("three_records", &pair);
    show_text("ends_with", ending(&pair));
    end_child(&pair);
    show_end();
    return 0;
}
