/*
 * Lets ./driver, which is linked with the student's functions, use buffers, and prints what it said and
 * how it ended. A driver that writes where it should not is ended by the kernel, or it is not.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 4096 };

static void ask(const char *key, char *const argv[], const char *after)
{
    struct child child = run_to_end(argv, "", 0, ROOM);
    printf("\"%s\": ", key);
    print_json_text(child.output, child.length, 200);
    finish(&child);
    printf(", \"%s_end\": \"%s\"%s", key, ending(&child), after);
}

int main(void)
{
    char *const fill[] = {"./driver", "fill", "1000", NULL};
    char *const fill_page[] = {"./driver", "fill", "page", NULL};
    char *const over_page[] = {"./driver", "over", "page", NULL};
    char *const freed[] = {"./driver", "use-freed", NULL};
    harness_begin();
    printf("{");
    ask("fill", fill, ", ");
    ask("fill_page", fill_page, ", ");
    ask("over_page", over_page, ", ");
    ask("use_freed", freed, "}\n");
    return 0;
}
