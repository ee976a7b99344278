/*
 * What students see tested: the lines of demo.c, and that it ends well.
 *
 * Man pages: pipe(2), waitpid(2).
 */
#include "../support/child.h"

enum { ROOM = 4096 };

static void show_line(const char *name, struct child *demo)
{
    char line[LINE_ROOM];
    show_text(name, hear_line(&demo->out, line) ? line : "nothing");
}

int main(void)
{
    char *const argv[] = {"./demo", NULL};
    protect_tester();
    struct child demo = start_child(argv, NULL, ROOM);
    show_line("first_line", &demo);
    show_line("handler_line", &demo);
    show_line("last_line", &demo);
    show_line("and_then", &demo);
    if (!demo.out.silent)
        await_end(&demo);
    end_child(&demo);
    show_bool("ended_well", !demo.hung && demo.status == 0);
    show_end();
    return 0;
}
