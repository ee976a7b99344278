/* What a tester observed, as one line of JSON that grows as it goes; and that it cannot go on. */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Ends the tester, or a child of it: for what is our own or the machine's fault. */
_Noreturn void die(const char *what);

/*
 * Ends the tester after a fork(2) of its own that failed. Where others of the same user have all the
 * processes that it may have, nobody's answer is wrong: isolab takes this status, with the observation
 * `tester_error`, for an error.
 */
enum { TESTER_FAILED = 125 };
_Noreturn void cannot_start(void);

/*
 * Each shows one observation. What is printable ASCII is shown as it is, a newline as "\n", the rest as '?'.
 * Nothing is left in a buffer that fork(2) could print twice.
 */
void show_text(const char *name, const char *text);
void show_bytes(const char *name, const char *bytes, size_t length, size_t most);
void show_hex(const char *name, const void *bytes, size_t length);
void show_number(const char *name, long number);
void show_bool(const char *name, bool value);

/* Ends the line, if there is one. */
void show_end(void);

#endif
