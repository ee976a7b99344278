/*
 * Another design: byte by byte through stdio, which reads on and writes on by itself. No buffer holds a message.
 *
 * Messages as bytes on a stream, the same on every machine. `wire encode` reads lines "KIND NUMBER TIME TEXT"
 * and writes messages, `wire decode` reads messages and writes such lines. A message is
 *
 *     length       4 bytes   of what follows, 16 to 1016    most significant byte first
 *     kind         2 bytes   unsigned                       most significant byte first
 *     number       4 bytes   unsigned                       most significant byte first
 *     time         8 bytes   signed, two's complement       least significant byte first
 *     text length  2 bytes   16 less than the length        most significant byte first
 *     text         0 to 1000 bytes
 *
 * Man pages: getchar(3), putchar(3), byteorder(3), stdint.h(0p).
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS = 16, MOST_TEXT = 1000, LINE = MOST_TEXT + 100 };

struct message {
    uint16_t kind;
    uint32_t number;
    int64_t time;
    size_t length;
    char text[MOST_TEXT];
};

/* The byte that comes first is in the highest place. */
static void put_big(uint64_t value, int width)
{
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
        putchar((int)(value >> shift & 0xff));
}

static void put_little(uint64_t value, int width)
{
    for (int shift = 0; shift < 8 * width; shift += 8)
        putchar((int)(value >> shift & 0xff));
}

static void send_message(const struct message *message)
{
    put_big(FIELDS + message->length, 4);
    put_big(message->kind, 2);
    put_big(message->number, 4);
    put_little((uint64_t)message->time, 8);
    put_big(message->length, 2);
    fwrite(message->text, 1, message->length, stdout);
}

/* False at the end of the input. */
static bool get(uint64_t *value, int width, bool big)
{
    *value = 0;
    for (int i = 0; i < width; i++) {
        int byte = getchar();
        if (byte == EOF)
            return false;
        *value = big ? *value << 8 | (uint64_t)byte : *value | (uint64_t)byte << (8 * i);
    }
    return true;
}

/* 1 for a message, 0 at the end between two messages, -1 for what is not one. */
static int receive_message(struct message *message)
{
    uint64_t length, kind, number, time, text;
    int first = getchar();
    if (first == EOF)
        return 0;
    ungetc(first, stdin);
    /* Nothing further is read for a length that cannot be. */
    if (!get(&length, 4, true) || length < FIELDS || length > FIELDS + MOST_TEXT)
        return -1;
    if (!get(&kind, 2, true) || !get(&number, 4, true) || !get(&time, 8, false) || !get(&text, 2, true))
        return -1;
    if (text != length - FIELDS || fread(message->text, 1, (size_t)text, stdin) != text)
        return -1;
    message->kind = (uint16_t)kind;
    message->number = (uint32_t)number;
    message->time = (int64_t)time;
    message->length = (size_t)text;
    return 1;
}

static bool parse_line(char *line, struct message *message)
{
    int text = -1;

    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%" SCNu16 " %" SCNu32 " %" SCNd64 "%n", &message->kind, &message->number, &message->time,
               &text) != 3 ||
        line[text] != ' ')
        return false;
    message->length = strlen(line + text + 1);
    if (message->length > MOST_TEXT)
        return false;
    memcpy(message->text, line + text + 1, message->length);
    return true;
}

/* What a stranger wrote must not give orders to a terminal. */
static void print_line(const struct message *message)
{
    printf("%" PRIu16 " %" PRIu32 " %" PRId64 " ", message->kind, message->number, message->time);
    for (size_t i = 0; i < message->length; i++) {
        unsigned char c = (unsigned char)message->text[i];
        putchar(c >= ' ' && c < 0x7f ? c : '?');
    }
    putchar('\n');
}

static int encode(void)
{
    char line[LINE];
    struct message message;

    while (fgets(line, sizeof line, stdin) != NULL) {
        if (!parse_line(line, &message)) {
            fprintf(stderr, "not a line: %s\n", line);
            return 1;
        }
        send_message(&message);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

static int decode(void)
{
    struct message message;
    int found;

    while ((found = receive_message(&message)) == 1)
        print_line(&message);
    if (found == -1)
        puts("bad message");
    return fflush(stdout) == 0 && found == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "encode") == 0)
        return encode();
    if (argc == 2 && strcmp(argv[1], "decode") == 0)
        return decode();
    fprintf(stderr, "usage: wire encode | wire decode\n");
    return 2;
}
