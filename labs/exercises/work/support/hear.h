/*
 * Hearing what a stranger says, over a pipe, a FIFO or a socket: bounded in size, and in time by silence.
 *
 * Only the time in which all of a process group sleep counts as silence. On a busy machine a program may
 * want to say something for a long time before it is its turn; but one that never sleeps is not waited for
 * for ever.
 */
#ifndef HEAR_H
#define HEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    LINE_ROOM = 256, /* bytes of a line, with the NUL behind it */
    LOOK_MS = 20,    /* between two looks at anything */
    SILENCE_MS = 20 * 1000,
    LESS_SILENCE_MS = 5 * 1000,
    PATIENCE_MS = 90 * 1000, /* of what never sleeps */
};

/* How long nothing has happened. */
struct quiet {
    int asleep, all; /* milliseconds */
};

/* To be called after LOOK_MS in which nothing happened; false when it has been `silence` ms too many. */
bool still_patient(struct quiet *quiet, pid_t group, int silence);

/* The letter of proc_pid_stat(5): 'S' sleeps, 'Z' has ended; 'X' when there is no such process. */
char process_state(pid_t pid);

/* Whether no process of the group is on its way. Of group 0, which stands for none, nobody is. */
bool all_asleep(pid_t group);

/* Waits until all of the group sleep or have ended; false when that takes longer than SILENCE_MS. */
bool falls_asleep(pid_t group);

/* Lets LOOK_MS pass. */
void pause_between_looks(void);

/* What is heard on one descriptor: from text + taken to text + length it is kept, with a NUL behind it. */
struct source {
    int fd;      /* -1 when it is closed */
    pid_t group; /* whose silence it is; 0 if that is not known */
    char *text;
    size_t taken, length, room;
    size_t lost; /* bytes for which there was no room */
    bool silent; /* nothing came for too long: from then on it is waited for less */
};

/* At most `room` bytes are kept that were not taken. */
struct source open_source(int fd, pid_t group, size_t room);

/* Frees what was kept, too. */
void close_source(struct source *source);

/* Closes a descriptor, unless it is -1, and makes it -1. */
void close_end(int *fd);

/* What is kept and was not taken yet. */
const char *said_on(const struct source *source);

/*
 * Reads once: 1 when there was something, 0 when there was nothing yet, -1 at the end. Then the descriptor
 * is closed.
 */
int read_once(struct source *source);

/*
 * Takes the next line, without its newline; what is longer than fits is cut. False if none came: then it
 * is what there was before the end.
 */
bool hear_line(struct source *source, char line[LINE_ROOM]);

/* Takes bytes until the end, one byte before `size`, or too long a silence. Gives how many; a NUL follows. */
size_t hear_bytes(struct source *source, char *bytes, size_t size);

#endif
