/*
 * The hidden tests of wire: bytes as another machine sends them, in one piece and in many, lengths that are
 * lies, and text that is not for a terminal. It says what wire answered, not what it should have.
 */
#include "../answer.h"

#include <stdint.h>
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

static struct child ask(char *const command[], const struct bytes *bytes)
{
    return run_to_end(command, bytes->at, bytes->length, ANSWER_ROOM);
}

static void ask_and_show(const char *name, const struct bytes *bytes)
{
    struct child decoder = ask(decode, bytes);
    show_answer(name, &decoder);
    end_child(&decoder);
}

/* Each piece is read before the next one comes; the cuts are within numbers and within text. */
static void ask_in_pieces(const char *name, const struct bytes *bytes)
{
    static const size_t cuts[] = {1, 3, 5, 9, 13, 19, 21, 24, 40};
    size_t from = 0;

    struct child decoder = start_child(decode, NULL, ANSWER_ROOM);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        tell(&decoder, bytes->at + from, cuts[i] - from);
        falls_asleep(decoder.pid);
        from = cuts[i];
    }
    tell(&decoder, bytes->at + from, bytes->length - from);
    hear_out(&decoder);
    show_answer(name, &decoder);
    end_child(&decoder);
}

static void about_good_messages(void)
{
    static struct bytes line, both, pieces, longest, escapes;
    static char words[LONGEST];

    text(&line, "258 50595078 -160 abc\n", 22);
    struct child encoder = ask(encode, &line);
    show_hex("encoded", encoder.out.text, encoder.out.length);
    end_child(&encoder);
    captured(&both, false);
    captured(&both, true);
    ask_and_show("captured", &both);
    captured(&pieces, false);
    good(&pieces, "");
    ask_in_pieces("in_pieces", &pieces);
    good(&escapes, "\033[2J\n");
    ask_and_show("unprintable", &escapes);
    memset(words, 'x', LONGEST - 1);
    good(&longest, words);
    struct child full = ask(decode, &longest);
    show_number("longest", (long)strlen(full.out.text) - (full.out.length > 0));
    end_child(&full);
}

static void about_bad_messages(void)
{
    static struct bytes long_one, huge_one, short_one, part, much, little;
    static char words[LONGEST + 1];

    memset(words, 'x', LONGEST);
    good(&long_one, words);
    struct child over = ask(decode, &long_one);
    show_answer("too_long", &over);
    show_text("refused_with", ending(&over));
    end_child(&over);
    message(&huge_one, UINT32_MAX, UINT16_MAX, "huge");
    ask_and_show("huge", &huge_one);
    message(&short_one, HEADER - 5, 0, "");
    ask_and_show("too_short", &short_one);
    message(&part, HEADER - 4 + 8, 8, "part");
    ask_and_show("cut_off", &part);
    good(&much, "secret secret secret");
    message(&much, HEADER - 4 + 2, 20, "no");
    ask_and_show("claims_too_much", &much);
    message(&little, HEADER - 4 + 6, 3, "little");
    ask_and_show("claims_too_little", &little);
}

int main(void)
{
    protect_tester();
    about_good_messages();
    about_bad_messages();
    show_end();
    return 0;
}
