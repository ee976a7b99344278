/*
 * What a number becomes on its way through a byte stream.
 *
 * Shown: the bytes of 0x01020304 as this machine stores them, and after htonl; what a reader of the
 * other byte order makes of them; the port 7601 with and without htons; that a struct is no
 * message, because sizes and padding differ between architectures; and that text has no byte
 * order. The bytes go through a real pipe and are printed as they arrive.
 *
 * Man pages: byteorder(3), endian(3), ip(7), pipe(7).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, HEX_SIZE = 64 };

static const uint32_t NUMBER = 0x01020304;
static const uint64_t LONG_NUMBER = 0x0102030405060708;
static const uint16_t PORT = 7601;

/* What one is tempted to send whole. */
struct record {
    char kind;
    long value;
};
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

/* Through the pipe, and as two hexadecimal digits for each byte that came out. */
static void send_and_show(const void *bytes, size_t size, char hex[HEX_SIZE])
{
    unsigned char arrived[sizeof(struct record)];
    int ends[2];

    make_pipe(ends);
    if (size > sizeof arrived || write(ends[WRITE_END], bytes, size) != (ssize_t)size)
        die("write");
    if (read(ends[READ_END], arrived, size) != (ssize_t)size)
        die("read");
    close_end(ends[READ_END]);
    close_end(ends[WRITE_END]);
    for (size_t i = 0; i < size; i++)
        snprintf(hex + 3 * i, HEX_SIZE - 3 * i, i + 1 < size ? "%02x " : "%02x", arrived[i]);
}

/* How a little-endian and a big-endian reader understand the same four bytes. */
static uint32_t read_as_little(const unsigned char b[4])
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t read_as_big(const unsigned char b[4])
{
    return (uint32_t)b[3] | (uint32_t)b[2] << 8 | (uint32_t)b[1] << 16 | (uint32_t)b[0] << 24;
}

static void show_numbers(void)
{
    char raw[HEX_SIZE], wire[HEX_SIZE], wide[HEX_SIZE];
    unsigned char memory[4];
    uint32_t converted = htonl(NUMBER);
    uint64_t converted_long = htobe64(LONG_NUMBER);

    send_and_show(&NUMBER, sizeof NUMBER, raw);
    send_and_show(&converted, sizeof converted, wire);
    send_and_show(&converted_long, sizeof converted_long, wide);
    memcpy(memory, &NUMBER, sizeof memory);
    printf("0x%08x as it lies in memory: %s; after htonl: %s\n", (unsigned)NUMBER, raw, wire);
    printf("{\"raw\": \"%s\", \"htonl\": \"%s\", \"htobe64\": \"%s\", ", raw, wire, wide);
    printf("\"raw_read_as_little\": \"0x%08x\", ", (unsigned)read_as_little(memory));
    printf("\"raw_read_as_big\": \"0x%08x\", ", (unsigned)read_as_big(memory));
    memcpy(memory, &converted, sizeof memory);
    printf("\"htonl_read_as_big\": \"0x%08x\", ", (unsigned)read_as_big(memory));
    printf("\"back_again\": %s, ", json_bool(ntohl(converted) == NUMBER));
}

/* The kernel reads sin_port as network byte order, whatever was put there. */
static void show_port(void)
{
    struct sockaddr_in forgotten = {.sin_port = PORT}, right = {.sin_port = htons(PORT)};
    unsigned char *low = (unsigned char *)&forgotten.sin_port;
    unsigned char *high = (unsigned char *)&right.sin_port;

    printf("\"port_forgotten\": %d, ", low[0] << 8 | low[1]);
    printf("\"port_right\": %d, ", high[0] << 8 | high[1]);
}

static void show_struct_and_text(void)
{
    char text[HEX_SIZE];

    send_and_show("7601", 4, text);
    printf("\"struct_size\": %d, \"text\": \"%s\"}\n", (int)sizeof(struct record), text);
}

int main(void)
{
    show_numbers();
    show_port();
    show_struct_and_text();
    return 0;
}
