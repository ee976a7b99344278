/*
 * Uses guarded_alloc in ways that the visible tests do not.
 *
 *   stress over SIZE       writes behind a buffer of SIZE bytes (or of a page and SIZE, by +SIZE; or of a
 *                          page less SIZE, by -SIZE) once all of it was written and read
 *   stress peek SIZE       reads there
 *   stress zero            buffers whose pages were used before: how many bytes are not 0
 *   stress huge            the three greatest sizes there are, and what errno says
 *   stress leak            how many pages of address space 2000 buffers cost that were given back
 *   stress many            200 buffers at a time: how many have kept their bytes
 *   stress null            gives NULL back
 */
#include "../guarded.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 2000, MANY = 200, KEPT = 300 };

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t size_of(const char *text)
{
    size_t number = strtoul(text + (*text == '+' || *text == '-'), NULL, 10);
    return *text == '+' ? page_size() + number : *text == '-' ? page_size() - number : number;
}

static void go_over(size_t size, int peek)
{
    volatile unsigned char *buffer = guarded_alloc(size);
    size_t right = 0;
    for (size_t i = 0; buffer != NULL && i < size; i++) {
        buffer[i] = (unsigned char)i;
        right += buffer[i] == (unsigned char)i;
    }
    printf("%s\n", buffer != NULL && right == size ? "all right" : "not all right");
    if (buffer == NULL)
        return;
    if (peek)
        (void)buffer[size];
    else
        buffer[size] = 1;
    printf("survived\n");
}

static void show_zeroes(void)
{
    size_t others = 0;
    for (int round = 0; round < 50; round++) {
        unsigned char *buffer = guarded_alloc(5000);
        for (size_t i = 0; buffer != NULL && i < 5000; i++)
            others += buffer[i] != 0;
        if (buffer != NULL)
            memset(buffer, 0xff, 5000);
        guarded_free(buffer);
    }
    printf("%lu\n", (unsigned long)others);
}

static void ask_for_too_much(void)
{
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 3 * sizeof(size_t), SIZE_MAX - page_size() - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        void *buffer = guarded_alloc(sizes[i]);
        printf("%s%s", buffer != NULL ? "a buffer" : errno == ENOMEM ? "ENOMEM" : "no buffer", i == 2 ? "\n" : ", ");
    }
}

/* Size of the address space in pages: the first number of statm, see proc_pid_statm(5). */
static long pages(void)
{
    long count = -1;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%ld", &count) != 1)
        count = -1;
    if (file != NULL)
        fclose(file);
    return count;
}

static void show_leak(void)
{
    guarded_free(guarded_alloc(100)); /* what is set up once, does not count */
    long before = pages();
    for (int round = 0; round < ROUNDS; round++)
        guarded_free(guarded_alloc((size_t)round));
    long grown = pages() - before;
    printf("%s\n", before == -1 ? "unknown" : grown < ROUNDS / 10 ? "none" : "pages are left");
}

static void keep_many(void)
{
    unsigned char *kept[MANY];
    int right = 0;
    for (int i = 0; i < MANY; i++) {
        kept[i] = guarded_alloc(KEPT);
        if (kept[i] != NULL)
            memset(kept[i], i, KEPT);
    }
    for (int i = 0; i < MANY; i++) {
        int same = kept[i] != NULL;
        for (int k = 0; same && k < KEPT; k++)
            same = kept[i][k] == (unsigned char)i;
        right += same;
        guarded_free(kept[i]);
    }
    printf("%d\n", right);
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IONBF, 0); /* what was said before a crash must be out */
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 3)
        go_over(size_of(argv[2]), strcmp(what, "peek") == 0);
    else if (strcmp(what, "zero") == 0)
        show_zeroes();
    else if (strcmp(what, "huge") == 0)
        ask_for_too_much();
    else if (strcmp(what, "leak") == 0)
        show_leak();
    else if (strcmp(what, "many") == 0)
        keep_many();
    else if (strcmp(what, "null") == 0)
        guarded_free(NULL), printf("nothing happened\n");
    else
        return 2;
    return 0;
}
