/*
 * To start a program that is not trusted, to talk with it over pipes, and to be done with it.
 *
 * Nothing here waits for ever: a program that neither takes input nor says anything, and sleeps for
 * SILENCE_MS, is killed with all of its process group, and so is one that says more than OUTPUT_SIZE bytes.
 */
#ifndef TALK_H
#define TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SILENCE_MS = 20000, OUTPUT_SIZE = 4096 };

/* What a program wrote to one of its outputs; fd is -1 when it is closed. */
struct heard {
    int fd;
    size_t length;
    char text[OUTPUT_SIZE];
};

struct talk {
    pid_t pid; /* the leader of its own process group */
    int input; /* -1 when it is closed, by us or because nobody reads */
    struct heard out, err;
    bool given_up; /* it was silent or said too much, and has been killed */
    int status;    /* of waitpid(2), after hang_up() */
};

/* Once, before anything else: no SIGPIPE, and no looking into us for processes of the same user. */
void get_ready(void);

/* Start argv[0] with pipes for its standard descriptors. */
void start(struct talk *talk, char *const argv[]);

/* Give it these bytes; gives false when it does not take them all. */
bool say(struct talk *talk, const void *bytes, size_t length);

/* Wait until all of its process group that still live are asleep: they wait for us. */
void let_sleep(struct talk *talk);

/* Wait until it has written this many bytes to standard error. */
void wait_for_errors(struct talk *talk, size_t length);

/* Close its input, hear it out, and reap it. */
void hang_up(struct talk *talk);

/* The first line of its standard output, without the newline. The text is the talk's own. */
const char *first_line(struct talk *talk);

/* "exit 0", "killed by signal 13", "did not end". The text is static, until the next call. */
const char *how_it_ended(const struct talk *talk);

/* `"name": "text"`, with nothing in it that could end the string or the line. */
void print_text(const char *name, const char *text);

_Noreturn void die(const char *what);

#endif
