/*
 * Uses guarded_alloc as a program would, well or badly. What becomes of it, the tester sees from outside.
 *
 *   driver fill SIZE      writes every byte of a buffer and reads it back, says how many were right
 *   driver over SIZE      the same, then writes the first byte behind it, says "survived"
 *   driver use-freed      writes into a buffer that was given back, says "survived"
 *
 * SIZE is a number of bytes, or `page` for as many as a page has.
 */
#include "guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t size_of(const char *text)
{
    return strcmp(text, "page") == 0 ? (size_t)sysconf(_SC_PAGESIZE) : strtoul(text, NULL, 10);
}

static size_t fill(volatile unsigned char *buffer, size_t size)
{
    size_t right = 0;
    for (size_t i = 0; i < size; i++)
        buffer[i] = (unsigned char)(i % 251);
    for (size_t i = 0; i < size; i++)
        right += buffer[i] == i % 251;
    return right;
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IONBF, 0); /* what was said before a crash must be out */
    const char *what = argc > 1 ? argv[1] : "";
    size_t size = argc > 2 ? size_of(argv[2]) : 100;
    volatile unsigned char *buffer = guarded_alloc(size);
    if (buffer == NULL) {
        printf("no buffer\n");
        return 1;
    }
    size_t right = fill(buffer, size);
    printf("%s\n", right == size ? "all right" : "bytes were lost");
    if (strcmp(what, "over") == 0) {
        buffer[size] = 1;
        printf("survived\n");
    }
    guarded_free((void *)buffer);
    if (strcmp(what, "use-freed") == 0) {
        buffer[0] = 1;
        printf("survived\n");
    }
    return 0;
}
