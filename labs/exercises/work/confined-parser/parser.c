/*
 * The parser core, with its bug: a record of type X makes it do what the record says.
 *
 * That stands for any mistake in a real parser by which an input gets its own code executed. Here
 * the mistake is easy to use, so that everybody can try what it is worth to an attacker:
 *
 *   open PATH       sends the content of the file to standard output
 *   exec PATH       executes the program, with one argument: executed
 *   connect PATH    says "knock" to whoever listens at this UNIX socket
 *   steal NUMBER    sends what can be read from that descriptor to standard output
 *
 * What fails is not mentioned: the attacker goes on with the next record.
 */
#include "parser.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void send_out(int fd)
{
    char text[256];
    ssize_t got = read(fd, text, sizeof text);
    if (got > 0 && write(STDOUT_FILENO, text, (size_t)got) != got)
        return; /* an attacker's failure is nobody's concern */
}

static void attack_open(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd == -1)
        return;
    send_out(fd);
    close(fd);
}

static void attack_exec(const char *path)
{
    char name[PAYLOAD_SIZE + 1], word[] = "executed";
    char *const argv[] = {name, word, NULL};
    char *const envp[] = {NULL};
    snprintf(name, sizeof name, "%s", path);
    execve(name, argv, envp);
}

static void attack_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd == -1)
        return;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && write(fd, "knock", 5) != 5)
        perror("knock");
    close(fd);
}

static void attack(const char *command)
{
    if (strncmp(command, "open ", 5) == 0)
        attack_open(command + 5);
    else if (strncmp(command, "exec ", 5) == 0)
        attack_exec(command + 5);
    else if (strncmp(command, "connect ", 8) == 0)
        attack_connect(command + 8);
    else if (strncmp(command, "steal ", 6) == 0)
        send_out((int)strtol(command + 6, NULL, 10));
}

/* Whether the payload is digits alone and their sum so far fits. */
static bool add_number(struct parser *parser, size_t length)
{
    uint64_t value = 0;
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char digit = (unsigned char)(parser->payload[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    parser->numbers++;
    return !__builtin_add_overflow(parser->sum, value, &parser->sum);
}

static bool take_record(struct parser *parser, size_t length)
{
    parser->payload[length] = '\0';
    switch (parser->header[0]) {
    case 'N': return add_number(parser, length);
    case 'T':
        parser->texts++;
        parser->bytes += length;
        return true;
    case 'X': attack(parser->payload); return true;
    default: return false;
    }
}

static bool take_byte(struct parser *parser, unsigned char byte)
{
    size_t at = parser->have++;
    parser->taken++;
    if (at < HEADER_SIZE)
        parser->header[at] = byte;
    else
        parser->payload[at - HEADER_SIZE] = (char)byte;
    if (parser->have < HEADER_SIZE)
        return true;
    size_t length = (size_t)parser->header[1] << 8 | parser->header[2];
    if (length > PAYLOAD_SIZE)
        return false;
    if (parser->have < HEADER_SIZE + length)
        return true;
    parser->have = 0;
    return take_record(parser, length);
}

void parser_start(struct parser *parser)
{
    memset(parser, 0, sizeof *parser);
}

bool parser_feed(struct parser *parser, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count && !parser->malformed; i++)
        parser->malformed = !take_byte(parser, bytes[i]);
    return !parser->malformed;
}

size_t parser_finish(const struct parser *parser, char answer[ANSWER_SIZE], bool *well_formed)
{
    *well_formed = !parser->malformed && parser->have == 0;
    if (!*well_formed)
        return (size_t)snprintf(answer, ANSWER_SIZE, "malformed after %" PRIu64 " bytes\n",
                                parser->taken);
    return (size_t)snprintf(answer, ANSWER_SIZE,
                            "numbers %" PRIu64 " sum %" PRIu64 " texts %" PRIu64 " bytes %" PRIu64 "\n",
                            parser->numbers, parser->sum, parser->texts, parser->bytes);
}
