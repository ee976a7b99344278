/*
 * Another design: the line is put together in the slot itself, byte by byte. The slot is waited for before the first byte is
 * written and announced at the end of the line, so nothing is ever copied twice.
 *
 * One process puts lines into a ring in shared memory, another one takes them out.
 *
 *   service produce NAME   makes the ring, says "ready", and puts in each line of its standard input
 *   service consume NAME   removes the name, and prints each message as a line, until the stream ends
 *
 * Man pages: shm_overview(7), sem_overview(7), sem_init(3), sem_wait(3), mmap(2), getchar(3).
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct ring *map(int fd)
{
    struct ring *ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED)
        die("mmap");
    close(fd); /* the mapping stays */
    return ring;
}

/* O_EXCL: what has this name already is somebody else's. */
static struct ring *make_ring(const char *name)
{
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd == -1)
        die(name);
    if (ftruncate(fd, sizeof(struct ring)) == -1)
        die("ftruncate");
    struct ring *ring = map(fd);
    if (sem_init(&ring->free_slots, 1, SLOTS) == -1 || sem_init(&ring->filled_slots, 1, 0) == -1)
        die("sem_init");
    return ring;
}

/* From here on nobody else finds the ring, and nothing is left when both are gone, however they go. */
static struct ring *take_ring(const char *name)
{
    int fd = shm_open(name, O_RDWR, 0);
    if (fd == -1 || shm_unlink(name) == -1)
        die(name);
    return map(fd);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) == -1)
        if (errno != EINTR)
            die("sem_wait");
}

static void announce(sem_t *semaphore)
{
    if (sem_post(semaphore) == -1)
        die("sem_post");
}

/* One side's place in the ring; `slot` is NULL while it has none. */
struct place {
    struct ring *ring;
    struct message *slot;
    unsigned next;
};

/* A free slot, with nothing in it yet. */
static void open_slot(struct place *place)
{
    if (place->slot != NULL)
        return;
    wait_for(&place->ring->free_slots);
    place->slot = &place->ring->slots[place->next];
    place->slot->length = 0;
}

/* The slot is filled before it is announced: sem_post and sem_wait also order memory. */
static void announce_slot(struct place *place)
{
    announce(&place->ring->filled_slots);
    place->next = (place->next + 1) % SLOTS;
    place->slot = NULL;
}

static void add(struct place *place, char byte)
{
    if (place->slot != NULL && place->slot->length == LONGEST)
        announce_slot(place);
    open_slot(place);
    place->slot->text[place->slot->length++] = byte;
}

static void produce(const char *name)
{
    struct place place = {.ring = make_ring(name)};
    int byte;
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("standard output");
    while ((byte = getchar()) != EOF) {
        if (byte != '\n') {
            add(&place, (char)byte);
            continue;
        }
        open_slot(&place); /* an empty line has none yet */
        announce_slot(&place);
    }
    if (ferror(stdin))
        die("standard input");
    if (place.slot != NULL)
        announce_slot(&place); /* the last line has no newline */
    open_slot(&place);
    place.slot->length = END_OF_STREAM;
    announce_slot(&place);
}

/* Copied out before the slot is given back. The other side is not trusted with the length. */
static void take(struct ring *ring, unsigned *next, struct message *message)
{
    wait_for(&ring->filled_slots);
    *message = ring->slots[*next];
    announce(&ring->free_slots);
    *next = (*next + 1) % SLOTS;
}

static void consume(const char *name)
{
    struct ring *ring = take_ring(name);
    struct message message;
    unsigned next = 0;
    for (take(ring, &next, &message); message.length != END_OF_STREAM; take(ring, &next, &message)) {
        if (message.length > LONGEST) {
            fprintf(stderr, "a message of %lu bytes\n", (unsigned long)message.length);
            exit(1);
        }
        if (fwrite(message.text, 1, message.length, stdout) != message.length || putchar('\n') == EOF ||
            fflush(stdout) == EOF)
            die("standard output");
    }
}

int main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "produce") == 0)
        produce(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "consume") == 0)
        consume(argv[2]);
    else {
        fprintf(stderr, "usage: service produce|consume NAME\n");
        return 2;
    }
    return 0;
}
