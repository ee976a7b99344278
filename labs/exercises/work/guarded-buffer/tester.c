/*
 * Lets ./driver, which is linked with the student's functions, use buffers, and prints what it said and
 * how it ended. A driver that writes where it should not is ended by the kernel, or it is not.
 */
#include "../support/child.h"

enum { ROOM = 4096, SHOWN = 200 };

static void ask(const char *key, const char *end_key, char *const argv[])
{
    struct child child = run_to_end(argv, "", 0, ROOM);
    show_bytes(key, child.out.text, child.out.length, SHOWN);
    show_text(end_key, ending(&child));
    end_child(&child);
}

int main(void)
{
    char *const fill[] = {"./driver", "fill", "1000", NULL};
    char *const fill_page[] = {"./driver", "fill", "page", NULL};
    char *const over_page[] = {"./driver", "over", "page", NULL};
    char *const freed[] = {"./driver", "use-freed", NULL};
    protect_tester();
    ask("fill", "fill_end", fill);
    ask("fill_page", "fill_page_end", fill_page);
    ask("over_page", "over_page_end", over_page);
    ask("use_freed", "use_freed_end", freed);
    show_end();
    return 0;
}
