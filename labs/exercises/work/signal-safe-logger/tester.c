/*
 * What students see tested: the lines of demo.c, and that it ends well.
 *
 * Man pages: pipe(2), waitpid(2).
 */
#define _GNU_SOURCE
#include "child.h"

int main(void)
{
    static const char *const NAMES[] = {"first_line", "handler_line", "last_line"};
    char program[] = "./demo", line[LONGEST];
    char *argv[] = {program, NULL};
    guard();
    struct child demo = start_prepared(argv, NULL);
    printf("{");
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        print_text(NAMES[i], line_from(&demo.out, line) ? line : "nothing");
        printf(", ");
    }
    print_text("and_then", line_from(&demo.out, line) ? line : "nothing");
    int status = demo.out.silent ? end(&demo) : reap(&demo);
    printf(", \"ended_well\": %s}\n", status == 0 ? "true" : "false");
    return 0;
}
