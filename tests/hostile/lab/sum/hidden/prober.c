/* The hidden tests. What is right is in hidden.yaml, which is in no machine. */
#define _GNU_SOURCE 1
#include "../../support/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096, SHOWN = 200, MOST_NUMBERS = 4096, MANY = 40000 };

/* Read before anything of a student's runs, which could replace the file. */
static size_t read_numbers(char *numbers)
{
    FILE *file = fopen("hidden/numbers.txt", "re");
    if (file == NULL)
        die("hidden/numbers.txt");
    size_t length = fread(numbers, 1, MOST_NUMBERS, file);
    if (ferror(file) || fclose(file) == EOF)
        die("hidden/numbers.txt");
    return length;
}

static void ask(const char *key, const char *numbers, size_t length)
{
    char *const argv[] = {"./answer", NULL};
    struct child child = run_to_end(argv, numbers, length, ROOM);
    show_bytes(key, child.out.text, child.out.length, SHOWN);
    end_child(&child);
}

int main(void)
{
    char numbers[MOST_NUMBERS], *ones = malloc(2 * MANY);
    protect_tester();
    if (ones == NULL)
        die("malloc");
    for (size_t i = 0; i < MANY; i++)
        memcpy(ones + 2 * i, "1\n", 2);
    ask("large", numbers, read_numbers(numbers));
    ask("many", ones, 2 * MANY);
    show_end();
    free(ones);
    return 0;
}
