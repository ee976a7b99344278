/* A run of the student's container, and what a command in it can say about where it is. */
#ifndef BOX_H
#define BOX_H

#include <stdbool.h>
#include <stddef.h>

#include "../support/child.h"

enum { TEXT_SIZE = 512 };

#define BOX_NAME "box"

struct run {
    char out[TEXT_SIZE];
    char ended[32]; /* see ending() in child.h */
};

/* Starts ./service with a command of two words in it. */
struct child start_boxed(const char *program, const char *word, void (*prepare)(void));

/* Hears it to its end. */
struct run finish(struct child *child);

struct run run_boxed(const char *program, const char *word, void (*prepare)(void));

/* The number after "KEY=" in a text of words; -1 if there is none. */
long number_of(const char *text, const char *key);

/* The entries of a folder, or only those that are numbers: in /proc, the processes. -1 if none. */
int count_entries(const char *path, bool numbers);

/* The lines of a file; -1 if there is none. */
int count_lines(const char *path);

#endif
