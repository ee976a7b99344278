/* Lets ./stress misuse the student's functions, and prints what it said and how it ended. */
#include "../harness.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 4096 };

static void ask(const char *key, char *what, char *size)
{
    char *const argv[] = {"./stress", what, size, NULL};
    struct child child = run_to_end(argv, "", 0, ROOM);
    printf("\"%s\": ", key);
    char words[ROOM + 64];
    size_t length = child.length < ROOM ? child.length : ROOM;
    memcpy(words, child.output, length);
    finish(&child);
    length += (size_t)snprintf(words + length, 64, "%s", ending(&child));
    print_json_text(words, length, 200);
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
    harness_begin();
    printf("{");
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        printf("%s", i == 0 ? "" : ", ");
        ask(asked[i].key, asked[i].what, asked[i].size);
    }
    printf("}\n");
    return 0;
}
