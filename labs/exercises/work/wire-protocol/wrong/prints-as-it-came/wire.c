/*
 * Wrong: bytes of a text go to the terminal as they came, and escape sequences are orders to it.
 */
#define _GNU_SOURCE
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

/* Shifts know values, not memory: that is why they are the same everywhere. */
static void put_big(unsigned char *to, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        to[i] = (unsigned char)(value >> (8 * (width - 1 - i)));
}

static void put_little(unsigned char *to, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_big(const unsigned char *from, int width)
{
    uint64_t value = 0;
    for (int i = 0; i < width; i++)
        value = value << 8 | from[i];
    return value;
}

static uint64_t get_little(const unsigned char *from, int width)
{
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | from[i];
    return value;
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

/* As many bytes as there are of these: fewer only at the end. */
static size_t read_all(int fd, unsigned char *bytes, size_t length)
{
    size_t got = 0;
    while (got < length) {
        ssize_t n = read(fd, bytes + got, length - got);
        if (n == 0)
            break;
        if (n > 0)
            got += (size_t)n;
        else if (errno != EINTR)
            die("read");
    }
    return got;
}

static void send_message(int fd, const struct message *message)
{
    unsigned char bytes[PREFIX + FIELDS + MOST_TEXT];

    put_big(bytes, FIELDS + message->length, 4);
    put_big(bytes + 4, message->kind, 2);
    put_big(bytes + 6, message->number, 4);
    put_little(bytes + 10, (uint64_t)message->time, 8);
    put_big(bytes + 18, message->length, 2);
    memcpy(bytes + PREFIX + FIELDS, message->text, message->length);
    write_all(fd, bytes, PREFIX + FIELDS + message->length);
}

/* 1 for a message, 0 at the end between two messages, -1 for what is not one. */
static int receive_message(int fd, struct message *message)
{
    unsigned char bytes[FIELDS + MOST_TEXT];
    size_t got = read_all(fd, bytes, PREFIX);

    if (got == 0)
        return 0;
    uint64_t length = get_big(bytes, PREFIX);
    /* Before anything is done with it. */
    if (got < PREFIX || length < FIELDS || length > FIELDS + MOST_TEXT)
        return -1;
    if (read_all(fd, bytes, (size_t)length) < length || get_big(bytes + 14, 2) != length - FIELDS)
        return -1;
    message->kind = (uint16_t)get_big(bytes, 2);
    message->number = (uint32_t)get_big(bytes + 2, 4);
    message->time = (int64_t)get_little(bytes + 6, 8);
    message->length = (size_t)length - FIELDS;
    memcpy(message->text, bytes + FIELDS, message->length);
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
        putchar(message->text[i]); /* wrong */
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
