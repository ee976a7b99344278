/*
 * The ring that the two processes share. Ours: do not change it, the tests have it too.
 *
 * One process puts messages in, one takes them out. Slot 0 is the first to be used, then 1, and after
 * the last one slot 0 again. Where the next one is, each process knows by itself; how many slots are
 * free and how many are filled, is in the semaphores, for both of them change that.
 */
#ifndef RING_H
#define RING_H

#include <semaphore.h>
#include <stdint.h>

enum { SLOTS = 8, LONGEST = 56 };

#define END_OF_STREAM UINT32_MAX /* as the length of a message: none follows */

struct message {
    uint32_t length;    /* in bytes, at most LONGEST; may be 0 */
    char text[LONGEST]; /* no NUL behind it; any byte may be in it */
};

struct ring {
    sem_t free_slots;   /* SLOTS at the beginning */
    sem_t filled_slots; /* 0 at the beginning */
    struct message slots[SLOTS];
};

#endif
