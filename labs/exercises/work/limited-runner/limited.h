/* A run of the student's runner, and what the commands it runs can say about their group. */
#ifndef LIMITED_H
#define LIMITED_H

#include <stdbool.h>
#include <sys/types.h>

#include "../support/child.h"

enum { GROUP_SIZE = 256, TEXT_SIZE = 512, MIB = 1024 * 1024, LIMIT = 16 * MIB, PIDS = 8 };

#define HIERARCHY "/sys/fs/cgroup"

/* How a run of the runner looks from outside. */
struct run {
    char out[TEXT_SIZE];
    char report[TEXT_SIZE]; /* the last line of its standard error */
    char ended[32];         /* see ending() in child.h */
};

/* Starts ./service with the usual limits and a command of two words. */
struct child start_limited(const char *program, const char *word, void (*prepare)(void));

/* Hears the rest of it, to its end. */
struct run finish(struct child *child);

struct run run_limited(const char *program, const char *word);

/* The path of a process's group in the hierarchy, such as "/" or "/limited-7". */
void group_of(pid_t pid, char path[GROUP_SIZE]);

bool group_exists(const char *path);

/* In a command: waits until it is in another group than the tester, and gives that. */
void await_group(char path[GROUP_SIZE]);

/* In a command: touches so many bytes of new memory. */
void touch(size_t size);

/* The first line of a file of the group, without its newline; empty if there is no such file. */
void group_file(const char *path, const char *file, char text[TEXT_SIZE]);

#endif
