/*
 * The programs that ./service talks with in the visible tests.
 *
 *   filter copy        writes what it reads, as it comes
 *   filter count       reads all, then says how many bytes that were
 *   filter pour BYTES  writes so many letters, then reads all
 *   filter fail        reads all and ends with status 7
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 4096, FAILED = 7 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void write_all(const char *data, size_t length)
{
    while (length > 0) {
        ssize_t put = write(STDOUT_FILENO, data, length);
        if (put == -1 && errno != EINTR)
            die("write");
        data += put > 0 ? put : 0;
        length -= put > 0 ? (size_t)put : 0;
    }
}

/* Reads to the end and gives the number of bytes; writes them too if asked to. */
static size_t read_all(int copy)
{
    char buffer[CHUNK];
    size_t total = 0;
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
        if (got == -1 && errno != EINTR)
            die("read");
        if (got > 0 && copy)
            write_all(buffer, (size_t)got);
        total += got > 0 ? (size_t)got : 0;
    }
    return total;
}

static void pour(size_t length)
{
    char letters[CHUNK];
    memset(letters, 'x', sizeof letters);
    for (; length > 0; length -= length < CHUNK ? length : CHUNK)
        write_all(letters, length < CHUNK ? length : CHUNK);
}

int main(int argc, char *argv[])
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "copy") == 0)
        read_all(1);
    else if (strcmp(mode, "count") == 0)
        printf("%zu\n", read_all(0));
    else if (strcmp(mode, "pour") == 0 && argc == 3)
        pour(strtoul(argv[2], NULL, 10)), read_all(0);
    else if (strcmp(mode, "fail") == 0)
        return read_all(0), FAILED;
    else
        return 2;
    return 0;
}
