/*
 * What confines the program: limits on what it may take, and a seccomp filter on what it may ask of the
 * kernel.
 *
 * Man pages: setrlimit(2), seccomp(2), prctl(2), clone(2), syscall(2).
 */
#include "confine.h"

int confine(const struct limits *limits)
{
    /* TODO: RLIMIT_AS, RLIMIT_NPROC and others; no_new_privs; a filter */
    return limits->memory_kib > 0 ? 0 : -1;
}
