/* The shared memory objects that testers meet. */
#ifndef OBJECT_H
#define OBJECT_H

#include <stdbool.h>

/* A name for a shared memory object that nobody else in this run has, in a buffer that is used again. */
char *object_name(const char *what);

/* Whether there is a shared memory object of this name. */
bool object_exists(const char *name);

/* If nobody else has removed it. */
void remove_object(const char *name);

#endif
