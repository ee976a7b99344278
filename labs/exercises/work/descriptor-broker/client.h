/* Clients of the student's broker, one process for each request, and the broker's own state. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "../support/child.h"

enum {
    BROKER = 7777, /* user and group that the broker is to become */
    ALICE = 1000,
    BOB = 1001,
    STRANGER = 4242,
    TEXT_SIZE = 128,
};

struct answer {
    char text[TEXT_SIZE];    /* "yes", "no", what else it said, or "no answer" */
    int descriptors;         /* that came with it */
    char content[TEXT_SIZE]; /* read from the first one */
    bool read_only;
    int open_error; /* of opening the first file by its path, as this user */
};

/* Makes the files and the policy, all readable by root only. */
void make_vault(void);

/* Starts ./service with what make_vault() made and hears whether it says "ready". */
struct child start_broker(void (*prepare)(void), bool *ready);

int connect_to_broker(void);

/* Asks as this user. `surplus` descriptors go along with the request. */
struct answer ask(uid_t uid, const char *name, size_t length, int surplus);

/* The answer and what was read, such as "yes: the first"; "no" if there is nothing to read. */
const char *told(const struct answer *answer);

/* The words after "KEY:" in the broker's /proc/PID/status, one blank between them. */
void status_words(pid_t pid, const char *key, char words[TEXT_SIZE]);

#endif
