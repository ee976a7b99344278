/*
 * A child process that is not trusted: started with pipes, heard within bounds, ended for certain.
 *
 * The testers use it. Nothing here waits for ever: who is silent for PATIENCE_MS is given up.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PATIENCE_MS = 30 * 1000 };

/* Our ends of its standard descriptors; -1 when closed. */
struct child {
    pid_t pid;
    int in, out, err;
};

/* Ends the tester: for what is our own or the machine's fault. */
_Noreturn void die(const char *what);

/* To be called first: nobody of the same user can look or write into this process any more. */
void be_opaque(void);

/* Starts a program. `prepare`, if any, is called in the child just before execve(2). */
struct child start_child(char *const argv[], void (*prepare)(void));

void close_end(int *fd);

/* Writes all of it; false when the other side is gone, or takes nothing for too long. */
bool tell(int fd, const void *bytes, size_t count);

/* Reads until the end, one byte before `size`, or too long a silence; NUL-terminated. */
size_t hear(int fd, char *text, size_t size);

/* The same, but no further than the first newline, which is kept. */
size_t hear_line(int fd, char *text, size_t size);

/* Closes the pipes, repeats the beginning of its stderr on ours, waits, kills; its wait status. */
int end_child(struct child *child);

#endif
