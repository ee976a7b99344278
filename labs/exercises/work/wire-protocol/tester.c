/*
 * The visible tests of wire: what it encodes, it decodes. They start ./wire as it is and talk with it over
 * pipes; what is right is in exercise.yaml.
 */
#define _GNU_SOURCE
#include "talk.h"

#include <stdio.h>
#include <string.h>

static char *const encode[] = {"./wire", "encode", NULL}, *const decode[] = {"./wire", "decode", NULL};

static void ask(struct talk *talk, char *const command[], const void *bytes, size_t length)
{
    start(talk, command);
    say(talk, bytes, length);
    hang_up(talk);
}

int main(void)
{
    static const char lines[] = "7 4000000000 -2 hello, wire\n"
                                "65535 0 1234567890123 x\n"
                                "0 1 0 \n";
    static struct talk encoder, decoder, silent, cut;

    get_ready();
    ask(&encoder, encode, lines, strlen(lines));
    ask(&decoder, decode, encoder.out.text, encoder.out.length);
    ask(&silent, decode, "", 0);
    ask(&cut, decode, "\0\0\0", 3);

    print_bytes("encoded", encoder.out.text, encoder.out.length);
    printf("\n{");
    print_text("round_trip", decoder.out.text, decoder.out.length);
    printf(", ");
    print_text("decoder_ends", how_it_ended(&decoder), strlen(how_it_ended(&decoder)));
    printf(", ");
    print_text("nothing", silent.out.text, silent.out.length);
    printf(", ");
    print_text("half_a_length", cut.out.text, cut.out.length);
    printf("}\n");
    return 0;
}
