/* Waiting until another process waits: what testers need to know whether somebody is blocked. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <stdbool.h>
#include <sys/types.h>

/* The letter of proc_pid_stat(5): 'S' sleeps, 'Z' has ended; 'X' when there is no such process. */
char process_state(pid_t pid);

/* True when the process sleeps (or has ended) some time within half a minute. */
bool falls_asleep(pid_t pid);

/* A name for a shared memory object that nobody else in this run has, in a buffer that is used again. */
char *object_name(const char *what);

/* Whether there is a shared memory object of this name. */
bool object_exists(const char *name);

#endif
