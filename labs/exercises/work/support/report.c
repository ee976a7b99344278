/* What a tester observed: see report.h. */
#include "report.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool begun;

_Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* children come here too, and must not print what the parent has buffered */
}

_Noreturn void cannot_start(void)
{
    char words[160];
    struct rlimit limit;
    if (errno != EAGAIN || getrlimit(RLIMIT_NPROC, &limit) == -1)
        die("fork");
    snprintf(words, sizeof words, "cannot start a program: user id %ld has all the %llu processes it may have",
        (long)getuid(), (unsigned long long)limit.rlim_cur);
    show_text("tester_error", words);
    show_end();
    _exit(TESTER_FAILED);
}

static void put(const char *text)
{
    if (fputs(text, stdout) == EOF)
        die("standard output");
}

static void put_byte(char byte)
{
    const char escape[] = {'\\', byte, '\0'}, plain[] = {byte, '\0'};
    if (byte == '\n')
        put("\\n");
    else if (byte == '"' || byte == '\\')
        put(escape);
    else
        put(byte >= ' ' && byte <= '~' ? plain : "?");
}

static void begin(const char *name)
{
    put(begun ? ", \"" : "{\"");
    put(name);
    put("\": ");
    begun = true;
}

static void flush(void)
{
    if (fflush(stdout) == EOF)
        die("standard output");
}

void show_bytes(const char *name, const char *bytes, size_t length, size_t most)
{
    begin(name);
    put("\"");
    for (size_t i = 0; i < length && i < most; i++)
        put_byte(bytes[i]);
    put("\"");
    flush();
}

void show_text(const char *name, const char *text)
{
    show_bytes(name, text, strlen(text), SIZE_MAX);
}

void show_hex(const char *name, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    char digits[3];
    begin(name);
    put("\"");
    for (size_t i = 0; i < length; i++) {
        snprintf(digits, sizeof digits, "%02x", byte[i]);
        put(digits);
    }
    put("\"");
    flush();
}

void show_number(const char *name, long number)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%ld", number);
    begin(name);
    put(digits);
    flush();
}

void show_bool(const char *name, bool value)
{
    begin(name);
    put(value ? "true" : "false");
    flush();
}

void show_end(void)
{
    if (begun)
        put("}\n");
    begun = false;
    flush();
}
