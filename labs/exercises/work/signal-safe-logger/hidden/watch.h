/*
 * watch.h - what stands between logger.c and the C library in the hidden tests.
 */
#ifndef WATCH_H
#define WATCH_H

#include <signal.h>
#include <stddef.h>

/* What the next calls of write() do, in turn; after the last of them they work as ever. */
enum step { STEP_END, STEP_SIGNAL, STEP_PART, STEP_EINTR, STEP_EAGAIN };

/* While it is set, a call of an unsafe function is noted. */
extern volatile sig_atomic_t watch_in_handler;
extern const char *volatile watch_unsafe; /* the first one called; NULL if none was */

void watch_plan(const enum step *steps); /* ends with STEP_END */

/* Lets a signal come just before the next call that blocks any. */
void watch_blocking(void);

#endif
