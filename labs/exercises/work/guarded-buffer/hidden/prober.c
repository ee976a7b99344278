/*
 * Lets ./stress misuse the student's functions, and ./larger, which is the same where pages are larger;
 * prints what they said and how they ended.
 */
#include "../../support/child.h"

#include <stdio.h>

enum { ROOM = 4096, SHOWN = 200 };

static void ask(const char *key, char *program, char *what, char *size)
{
    char *const argv[] = {program, what, size, NULL};
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
        ask(asked[i].key, "./stress", asked[i].what, asked[i].size);
    ask("larger_over_13", "./larger", "over", "13");
    ask("larger_over_page", "./larger", "over", "+0");
    show_end();
    return 0;
}
