/* What wire answered, as the tests show it. */
#ifndef ANSWER_H
#define ANSWER_H

#include "../support/child.h"

enum { ANSWER_ROOM = 4096 };

/*
 * Shows what it said, without the last newline; lines are parted by " / ". What should not reach a terminal
 * is shown as '!', for '?' is what wire is to make of it.
 */
void show_answer(const char *name, const struct child *wire);

#endif
