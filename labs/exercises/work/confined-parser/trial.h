/* One run of the student's parser on one input, and what an attack in it came to. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { INPUT_SIZE = 512 * 1024, ANSWER_SIZE = 512 };

struct input {
    unsigned char bytes[INPUT_SIZE];
    size_t length;
};

struct trial {
    bool ready_first;    /* said "ready" before it was sent anything */
    bool filter_added;   /* a filter more than ours, at that moment */
    char answer[ANSWER_SIZE];
    char ended[32];      /* see ending() in child.h */
};

void add_record(struct input *input, char type, const char *payload);

/* Runs ./service. The input is sent in pieces of `piece` bytes. */
struct trial try_input(const struct input *input, size_t piece, void (*prepare)(void));

/* Shows the answer without its newline. */
void show_answer(const char *name, const struct trial *trial);

/*
 * Sends one number, the attack, another number. "denied": the parser went on and answered rightly;
 * "killed": SIGSYS; "succeeded": `mark` is in what it printed.
 */
const char *try_attack(const char *command, const char *mark, void (*prepare)(void));

#endif
