/*
 * The hidden tests of wire: bytes as another machine sends them, in one piece and in many, lengths that are
 * lies, and text that is not for a terminal. It says what wire answered, not what it should have.
 */
#define _GNU_SOURCE
#include "../talk.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { HEADER = 20, LONGEST = 1001 };

static char *const encode[] = {"./wire", "encode", NULL}, *const decode[] = {"./wire", "decode", NULL};

/* Bytes on their way to wire. */
struct bytes {
    size_t length;
    unsigned char at[4096];
};

/* All of the numbers byte by byte, so that it is the same on every machine. */
static void number(struct bytes *to, uint64_t value, int width, bool most_significant_first)
{
    for (int i = 0; i < width; i++) {
        int shift = 8 * (most_significant_first ? width - 1 - i : i);
        to->at[to->length++] = (unsigned char)(value >> shift);
    }
}

static void text(struct bytes *to, const char *words, size_t length)
{
    memcpy(to->at + to->length, words, length);
    to->length += length;
}

/* A message of kind 1, number 2, time 3, with whatever its lengths claim. */
static void message(struct bytes *to, uint32_t claimed, uint16_t text_claimed, const char *words)
{
    number(to, claimed, 4, true);
    number(to, 1, 2, true);
    number(to, 2, 4, true);
    number(to, 3, 8, false);
    number(to, text_claimed, 2, true);
    text(to, words, strlen(words));
}

static void good(struct bytes *to, const char *words)
{
    size_t length = strlen(words);
    message(to, (uint32_t)(HEADER - 4 + length), (uint16_t)length, words);
}

/* Numbers whose bytes all differ; with `swapped`, as from a machine that has each of them the other way. */
static void captured(struct bytes *to, bool swapped)
{
    number(to, HEADER - 4 + 3, 4, !swapped);
    number(to, 0x0102, 2, !swapped);
    number(to, 0x01020304, 4, !swapped);
    number(to, 0x0807060504030201, 8, swapped);
    number(to, 3, 2, !swapped);
    text(to, "abc", 3);
}

static void ask(struct talk *talk, char *const command[], const struct bytes *bytes)
{
    start(talk, command);
    say(talk, bytes->at, bytes->length);
    hang_up(talk);
}

/* Each piece is read before the next one comes; the cuts are within numbers and within text. */
static void ask_in_pieces(struct talk *talk, const struct bytes *bytes)
{
    static const size_t cuts[] = {1, 3, 5, 9, 13, 19, 21, 24, 40};
    size_t from = 0;

    start(talk, decode);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        say(talk, bytes->at + from, cuts[i] - from);
        let_sleep(talk);
        from = cuts[i];
    }
    say(talk, bytes->at + from, bytes->length - from);
    hang_up(talk);
}

static void print_answer(const char *name, const struct talk *talk)
{
    printf(", ");
    print_text(name, talk->out.text, talk->out.length);
}

static void about_good_messages(void)
{
    static struct bytes line, both, pieces, longest, escapes;
    static struct talk encoder, other, slow, full, wild;
    static char words[LONGEST];

    text(&line, "258 50595078 -160 abc\n", 22);
    ask(&encoder, encode, &line);
    captured(&both, false);
    captured(&both, true);
    ask(&other, decode, &both);
    captured(&pieces, false);
    good(&pieces, "");
    ask_in_pieces(&slow, &pieces);
    memset(words, 'x', LONGEST - 1);
    good(&longest, words);
    ask(&full, decode, &longest);
    good(&escapes, "\033[2J\n");
    ask(&wild, decode, &escapes);

    print_bytes("encoded", encoder.out.text, encoder.out.length);
    print_answer("captured", &other);
    print_answer("in_pieces", &slow);
    print_answer("unprintable", &wild);
    printf(", \"longest\": %zu", strnlen(full.out.text, full.out.length) - (full.out.length > 0));
}

static void about_bad_messages(void)
{
    static struct bytes long_one, huge_one, short_one, part, much, little;
    static struct talk over, huge, under, cut, claimed, less;
    static char words[LONGEST + 1];

    memset(words, 'x', LONGEST);
    good(&long_one, words);
    ask(&over, decode, &long_one);
    message(&huge_one, UINT32_MAX, UINT16_MAX, "huge");
    ask(&huge, decode, &huge_one);
    message(&short_one, HEADER - 5, 0, "");
    ask(&under, decode, &short_one);
    message(&part, HEADER - 4 + 8, 8, "part");
    ask(&cut, decode, &part);
    good(&much, "secret secret secret");
    message(&much, HEADER - 4 + 2, 20, "no");
    ask(&claimed, decode, &much);
    message(&little, HEADER - 4 + 6, 3, "little");
    ask(&less, decode, &little);

    print_answer("too_long", &over);
    print_answer("huge", &huge);
    print_answer("too_short", &under);
    print_answer("cut_off", &cut);
    print_answer("claims_too_much", &claimed);
    print_answer("claims_too_little", &less);
    printf(", ");
    print_text("refused_with", how_it_ended(&over), strlen(how_it_ended(&over)));
}

int main(void)
{
    get_ready();
    printf("{");
    about_good_messages();
    about_bad_messages();
    printf("}\n");
    return 0;
}
