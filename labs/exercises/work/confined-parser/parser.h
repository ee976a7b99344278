/*
 * The parser core: records in, one line out. It is given, and it has a bug (see parser.c).
 *
 * A record is a type, a length of two bytes, the most significant first, and so many bytes:
 *
 *   N  a decimal number without a sign, to be added up
 *   T  text, whose bytes are counted
 *   X  the bug
 */
#ifndef PARSER_H
#define PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADER_SIZE = 3, PAYLOAD_SIZE = 256, ANSWER_SIZE = 128 };

struct parser {
    unsigned char header[HEADER_SIZE];
    char payload[PAYLOAD_SIZE + 1];
    size_t have;    /* bytes of the record that has begun, header included */
    uint64_t taken; /* bytes of the input */
    uint64_t numbers, sum, texts, bytes;
    bool malformed;
};

void parser_start(struct parser *parser);

/* Takes the next bytes of the input, wherever it was cut. False from the first mistake in it on. */
bool parser_feed(struct parser *parser, const unsigned char *bytes, size_t count);

/* The input has ended: writes the answer, which may be "malformed", and gives its length. */
size_t parser_finish(const struct parser *parser, char answer[ANSWER_SIZE], bool *well_formed);

#endif
