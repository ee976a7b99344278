/* Lets ./stress misuse the student's functions, and prints what it said and how it ended. */
#include "../../support/child.h"

#include <stdio.h>

enum { ROOM = 4096, SHOWN = 200 };

static void ask(const char *key, char *what, char *size)
{
    char *const argv[] = {"./stress", what, size, NULL};
    char words[ROOM + 64];
    struct child child = run_to_end(argv, "", 0, ROOM);
    int length = snprintf(words, sizeof words, "%s%s", child.out.text, ending(&child));
    show_bytes(key, words, (size_t)length, SHOWN);
    end_child(&child);
}

int main(void)
{
    static const struct {
        const char *key;
        char *what, *size;
    } asked[] = {
        {"over_0", "over", "0"},       {"over_1", "over", "1"},       {"over_13", "over", "13"},
        {"over_less", "over", "-7"},   {"over_more", "over", "+1"},   {"over_three", "over", "200000"},
        {"peek", "peek", "13"},        {"peek_page", "peek", "+0"},   {"zero", "zero", NULL},
        {"huge", "huge", NULL},        {"leak", "leak", NULL},        {"many", "many", NULL},
        {"null", "null", NULL},
    };
    protect_tester();
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        ask(asked[i].key, asked[i].what, asked[i].size);
    show_end();
    return 0;
}
