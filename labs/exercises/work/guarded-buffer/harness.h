/*
 * Running a program that is not trusted, and talking with it: what testers have in common.
 *
 * The program gets pipes of its own for standard input, output and error and a process group of its
 * own. How much of it is kept and how long its silence is borne are bounded; whatever it does, it is
 * ended and reaped.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Silence counts only while a program sleeps: on a busy machine one may want to say something for a long
 * time before it is its turn. But one that never sleeps is not waited for for ever.
 */
enum { SILENCE_SECONDS = 30, PATIENCE_SECONDS = 90, ERRORS_KEPT = 4000 };

struct child {
    pid_t pid;
    int in, out, err;    /* our ends of its pipes; -1 when closed */
    char *output;        /* what it wrote so far, with a NUL behind it */
    size_t length, room; /* how much that is, and how much is kept at most */
    size_t errors;       /* how much of its standard error went to ours */
    int status;          /* of waitpid(2), once ended */
    bool ended, hung, flooded;
};

enum until { SENT, LINE, END };

/* To be called first: nobody may debug us or write into our files by /proc, and no pipe kills us. */
void harness_begin(void);

/* Starts a program of which at most `room` bytes of output are kept. */
struct child start(char *const argv[], size_t room);

/*
 * Sends the input and collects output meanwhile: until all is SENT, until there is one more LINE of
 * output, or to the END (then its standard input is closed when all is sent, and it is reaped). False
 * when it does not come to that: the program was silent for too long, wrote too much, or ended early.
 */
bool converse(struct child *child, const void *input, size_t length, enum until until);

/* The letter of proc_pid_stat(5): 'S' sleeps, 'Z' has ended; 'X' when there is no such process. */
char process_state(pid_t pid);

/* Ends and reaps what is still there, and frees what was kept. */
void finish(struct child *child);

/* start, converse to the END; to be finished. */
struct child run_to_end(char *const argv[], const void *input, size_t length, size_t room);

/* How it ended: "exit 0", "signal SIGSEGV", "silent" or "flood". In a buffer that is used again. */
const char *ending(const struct child *child);

/* Prints a JSON string of at most `most` bytes; what is not printable ASCII becomes '?'. */
void print_json_text(const char *text, size_t length, size_t most);

#endif
