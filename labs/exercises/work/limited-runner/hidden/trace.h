/* Watches the runner from its first instruction to the moment it executes the command. */
#ifndef TRACE_H
#define TRACE_H

#include "../limited.h"

/*
 * Runs the runner on a command under ptrace(2) and gives the group of the process that executes the
 * command, at that moment; empty if no command was executed. A process that has forked is held
 * until the new one executes something, waits or ends: whoever relies on being faster loses.
 */
void group_at_exec(const char *program, const char *word, char path[GROUP_SIZE]);

#endif
