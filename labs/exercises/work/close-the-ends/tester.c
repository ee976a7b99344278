/*
 * The visible tests of pair: what it answers to records that end as they should, and how it ends.
 * It starts ./pair as it is, gives it records on a pipe, and prints what came back; what is right is
 * in exercise.yaml.
 */
#define _GNU_SOURCE
#include "talk.h"

#include <stdio.h>
#include <string.h>

static char *const command[] = {"./pair", NULL};

int main(void)
{
    static const char none[] = "0000000000000000";
    static const char three[] = "0000000000000010"
                                "0000000000000020"
                                "0000000000000030"
                                "0000000000000000";
    struct talk first, second;

    get_ready();
    start(&first, command);
    say(&first, none, strlen(none));
    hang_up(&first);
    start(&second, command);
    say(&second, three, strlen(three));
    hang_up(&second);

    printf("{");
    print_text("no_records", first_line(&first));
    printf(", ");
    print_text("three_records", first_line(&second));
    printf(", ");
    print_text("ends_with", how_it_ended(&second));
    printf("}\n");
    return 0;
}
