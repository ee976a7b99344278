/*
 * Lets ./driver, which is linked with the student's functions, use buffers, and prints what it said and
 * how it ended. A driver that writes where it should not is ended by the kernel, or it is not.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 4096 };

static void ask(const char *key, const char *end_key, char *const argv[])
{
    struct child child = run_to_end(argv, "", 0, ROOM);
    printf("\"%s\": ", key);
    print_json_text(child.output, child.length, 200);
    finish(&child);
    printf(", \"%s\": \"%s\"", end_key, ending(&child));
}

int main(void)
{
    char *const fill[] = {"./driver", "fill", "1000", NULL};
    char *const fill_page[] = {"./driver", "fill", "page", NULL};
    char *const over_page[] = {"./driver", "over", "page", NULL};
    char *const freed[] = {"./driver", "use-freed", NULL};
    harness_begin();
    printf("{");
    ask("fill", "fill_end", fill);
    printf(", ");
    ask("fill_page", "fill_page_end", fill_page);
    printf(", ");
    ask("over_page", "over_page_end", over_page);
    printf(", ");
    ask("use_freed", "use_freed_end", freed);
    printf("}\n");
    return 0;
}
