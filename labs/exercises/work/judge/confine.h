/* What the judge and what confines the program tell each other. Ours: do not change it. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stddef.h>

enum { MOST_PROCESSES = 64 };

struct limits {
    long time_ms;    /* of wall time */
    long memory_kib; /* in memory at a time, of one process */
    size_t output;   /* bytes */
};

/*
 * In the child, just before execve(2): what it may take is limited, and what it may ask of the kernel.
 * 0, or -1.
 */
int confine(const struct limits *limits);

#endif
