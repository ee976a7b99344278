/*
 * A small judge: runs a program that nobody trusts, within limits, and says how it did.
 *
 *   service TIME_MS MEMORY_KIB OUTPUT_BYTES INPUT EXPECTED PROGRAM [ARG...]
 *
 * Man pages: prctl(2), setpgid(2), poll(2), signalfd(2), waitid(2), wait4(2), pipe(7).
 */
#include "confine.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 65536 };

struct bytes {
    char *data;
    size_t length;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

/* True when it runs. */
static bool start(char *argv[], const struct limits *limits)
{
    (void)argv;
    /* TODO: pipes, a child in a process group of its own, and in it: confine, then execve */
    return confine(limits) == 0 && false;
}

static struct bytes read_file(const char *path)
{
    struct bytes bytes = {.data = malloc(CHUNK)};
    size_t room = CHUNK, got;
    FILE *file = fopen(path, "re");
    if (file == NULL || bytes.data == NULL)
        die(path);
    while ((got = fread(bytes.data + bytes.length, 1, room - bytes.length, file)) > 0) {
        bytes.length += got;
        if (bytes.length == room && (bytes.data = realloc(bytes.data, room *= 2)) == NULL)
            die("realloc");
    }
    if (ferror(file))
        die(path);
    fclose(file);
    return bytes;
}

static long number(const char *text)
{
    char *rest;
    errno = 0;
    long value = strtol(text, &rest, 10);
    if (errno != 0 || *rest != '\0' || value <= 0 || value > INT32_MAX) {
        fprintf(stderr, "not a limit: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char *argv[])
{
    if (argc < 7) {
        fprintf(stderr, "usage: service TIME_MS MEMORY_KIB OUTPUT_BYTES INPUT EXPECTED PROGRAM [ARG...]\n");
        return 2;
    }
    struct limits limits = {number(argv[1]), number(argv[2]), (size_t)number(argv[3])};
    struct bytes input = read_file(argv[4]), expected = read_file(argv[5]);
    if (!start(argv + 6, &limits)) {
        printf("not started\n0\n");
        return 0;
    }
    /* TODO: give it the input, take its output, until it has ended or gone too far; end all of it */
    /* TODO: the verdict, how many bytes of output there are, and the bytes */
    free(expected.data);
    free(input.data);
    return 0;
}
