/*
 * The visible tests of wire: what it encodes, it decodes. They start ./wire as it is and talk with it over
 * pipes; what is right is in exercise.yaml.
 */
#include "answer.h"

#include <stdio.h>
#include <string.h>

static char *const encode[] = {"./wire", "encode", NULL}, *const decode[] = {"./wire", "decode", NULL};

/* For a person to compare with the table. */
static void print_bytes(const struct source *encoded)
{
    for (size_t i = 0; i < encoded->length; i++)
        printf("%02x%s", (unsigned char)encoded->text[i], i % 32 == 31 ? "\n" : " ");
    putchar('\n');
}

int main(void)
{
    static const char lines[] = "7 4000000000 -2 hello, wire\n"
                                "65535 0 1234567890123 x\n"
                                "0 1 0 \n";
    protect_tester();
    struct child encoder = run_to_end(encode, lines, strlen(lines), ANSWER_ROOM);
    print_bytes(&encoder.out);
    struct child decoder = run_to_end(decode, encoder.out.text, encoder.out.length, ANSWER_ROOM);
    show_answer("round_trip", &decoder);
    show_text("decoder_ends", ending(&decoder));
    struct child silent = run_to_end(decode, "", 0, ANSWER_ROOM);
    show_answer("nothing", &silent);
    struct child cut = run_to_end(decode, "\0\0\0", 3, ANSWER_ROOM);
    show_answer("half_a_length", &cut);
    show_end();
    end_child(&encoder);
    end_child(&decoder);
    end_child(&silent);
    end_child(&cut);
    return 0;
}
