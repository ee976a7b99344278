/*
 * A program that is not trusted, as a child of the tester: started with pipes of its own and in a process
 * group of its own, talked with within bounds, ended for certain.
 *
 * How much of it is kept is bounded, and so is how long its silence is borne (hear.h). Nobody of the same
 * user can look or write into the tester by /proc, nor trace it.
 */
#ifndef CHILD_H
#define CHILD_H

#include "hear.h"
#include "report.h"

struct child {
    pid_t pid; /* and the number of its process group */
    int in;    /* our end of its standard input; -1 when it is closed, by us or because nobody reads */
    struct source out, err; /* what it says on standard output and on standard error */
    int silence;            /* milliseconds: SILENCE_MS, unless it may sleep for longer */
    int status;             /* of waitpid(2), once it was reaped */
    bool reaped, hung, flooded;
};

/* To be called first. SIGPIPE is ignored from then on. */
void protect_tester(void);

/*
 * Starts a program, of which at most `room` bytes of output are kept. `prepare`, if any, is called in the
 * child just before execve(2): descriptors that it makes are the program's, if they are not close-on-exec.
 */
struct child start_child(char *const argv[], void (*prepare)(void), size_t room);

/*
 * Gives it these bytes, and hears meanwhile what it says. False when it does not take them all: nobody
 * reads any more, it was silent for too long, or it says too much.
 */
bool tell(struct child *child, const void *bytes, size_t length);

/* Waits until it says something more; false when it has ended, or was silent for too long. */
bool hear_more(struct child *child);

/* Waits until there is a newline in its output at or behind `from`, without taking it. */
bool hear_a_line(struct child *child, size_t from);

/*
 * Hears it until it has ended by itself and nothing moves in its group; else it is killed. Reaps it, and
 * kills what is left of its group. False when it was silent for too long or said too much.
 */
bool await_end(struct child *child);

/* Closes its standard input first. */
bool hear_out(struct child *child);

/*
 * Ends and reaps it, if it still lives, repeats on our standard error what nobody took of the beginning of
 * its own, and frees what was kept.
 */
void end_child(struct child *child);

/* start_child, tell, hear_out. To be ended. */
struct child run_to_end(char *const argv[], const void *input, size_t length, size_t room);

/* How it ended: "exit 0", "signal SIGSEGV", "silent" or "flood". In a buffer that is used again. */
const char *ending(const struct child *child);

/* Waits for a child that is ours: a client or a sender. Gives its wait status. */
int wait_for(pid_t pid);

#endif
