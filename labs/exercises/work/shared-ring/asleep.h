/* Waiting until another process waits: what testers need to know whether somebody is blocked. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <stdbool.h>
#include <sys/types.h>

/* True when the process sleeps (or has ended) some time within half a minute. */
bool falls_asleep(pid_t pid);

/* A name for a shared memory object that nobody else in this run has, in a buffer that is used again. */
char *object_name(const char *what);

/* Whether there is a shared memory object of this name. */
bool object_exists(const char *name);

#endif
