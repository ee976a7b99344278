/*
 * Another design: one buffer of the longest message, filled by whatever read(2) gives, and functions of
 * endian(3) in place of shifts. A message is taken from the front once it is whole.
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
 * Man pages: read(2), write(2), endian(3), stdint.h(0p).
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PREFIX = 4, FIELDS = 16, MOST_TEXT = 1000, LINE = MOST_TEXT + 100 };

struct message {
    uint16_t kind;
    uint32_t number;
    int64_t time;
    size_t length;
    char text[MOST_TEXT];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void write_all(int fd, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n >= 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (errno != EINTR) {
            die("write");
        }
    }
}

static void send_message(int fd, const struct message *message)
{
    unsigned char bytes[PREFIX + FIELDS + MOST_TEXT];
    uint32_t whole = htobe32((uint32_t)(FIELDS + message->length)), number = htobe32(message->number);
    uint16_t kind = htobe16(message->kind), length = htobe16((uint16_t)message->length);
    uint64_t time = htole64((uint64_t)message->time);

    /* By memcpy(): a field at an odd address is not for a pointer to uint32_t. */
    memcpy(bytes, &whole, 4);
    memcpy(bytes + 4, &kind, 2);
    memcpy(bytes + 6, &number, 4);
    memcpy(bytes + 10, &time, 8);
    memcpy(bytes + 18, &length, 2);
    memcpy(bytes + PREFIX + FIELDS, message->text, message->length);
    write_all(fd, bytes, PREFIX + FIELDS + message->length);
}

static unsigned char waiting[PREFIX + FIELDS + MOST_TEXT];
static size_t there;

/* Reads until so many bytes wait. False when the input ends before. */
static bool await(int fd, size_t wanted)
{
    while (there < wanted) {
        ssize_t n = read(fd, waiting + there, sizeof waiting - there);
        if (n == 0)
            return false;
        if (n > 0)
            there += (size_t)n;
        else if (errno != EINTR)
            die("read");
    }
    return true;
}

static uint32_t word_at(size_t place)
{
    uint32_t word;
    memcpy(&word, waiting + place, sizeof word);
    return be32toh(word);
}

static uint16_t half_at(size_t place)
{
    uint16_t half;
    memcpy(&half, waiting + place, sizeof half);
    return be16toh(half);
}

static int64_t time_at(size_t place)
{
    uint64_t time;
    memcpy(&time, waiting + place, sizeof time);
    return (int64_t)le64toh(time);
}

/* 1 for a message, 0 at the end between two messages, -1 for what is not one. */
static int receive_message(int fd, struct message *message)
{
    if (!await(fd, PREFIX))
        return there == 0 ? 0 : -1;
    uint32_t length = word_at(0);
    if (length < FIELDS || length > FIELDS + MOST_TEXT)
        return -1;
    if (!await(fd, PREFIX + length) || half_at(18) != length - FIELDS)
        return -1;
    message->kind = half_at(4);
    message->number = word_at(6);
    message->time = time_at(10);
    message->length = length - FIELDS;
    memcpy(message->text, waiting + PREFIX + FIELDS, message->length);
    there -= PREFIX + length;
    memmove(waiting, waiting + PREFIX + length, there);
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
        send_message(STDOUT_FILENO, &message);
    }
    return 0;
}

static int decode(void)
{
    struct message message;
    int found;

    while ((found = receive_message(STDIN_FILENO, &message)) == 1)
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
