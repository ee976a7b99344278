/*
 * WRONG: limits only. No filter.
 *
 * The program runs as the same user as its judge: it can kill it, take away its descriptors, read its
 * files, and leave the process group that is killed in the end.
 */
#include "confine.h"

#include <sys/resource.h>

enum { MOST_DESCRIPTORS = 16 };

static int limit(int what, rlim_t most)
{
    struct rlimit both = {most, most};
    return setrlimit(what, &both);
}

/* Twice the memory: what goes beyond the limit must be able to, to be seen. */
static int set_limits(const struct limits *limits)
{
    if (limit(RLIMIT_AS, (rlim_t)limits->memory_kib * 1024 * 2) == -1 || limit(RLIMIT_CORE, 0) == -1 ||
        limit(RLIMIT_FSIZE, 0) == -1 || limit(RLIMIT_NOFILE, MOST_DESCRIPTORS) == -1)
        return -1;
    return limit(RLIMIT_NPROC, MOST_PROCESSES);
}

int confine(const struct limits *limits)
{
    return set_limits(limits);
}
