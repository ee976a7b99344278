/*
 * Another design: a slot is given back only when its message was written out; positions are counts that
 * never go back; input and output are without stdio.
 *
 * One process puts lines into a ring in shared memory, another one takes them out.
 *
 *   service produce NAME   makes the ring, says "ready", and puts in each line of its standard input
 *   service consume NAME   removes the name, and prints each message as a line, until the stream ends
 *
 * Man pages: shm_overview(7), sem_overview(7), sem_init(3), sem_wait(3), mmap(2), write(2).
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

/* The slot is filled before it is announced: sem_post and sem_wait also order memory. */
static void put(struct ring *ring, unsigned *next, const char *text, uint32_t length)
{
    struct message *slot = &ring->slots[*next % SLOTS];
    wait_for(&ring->free_slots);
    slot->length = length;
    if (length != END_OF_STREAM)
        memcpy(slot->text, text, length);
    announce(&ring->filled_slots);
    (*next)++;
}

static void write_all(const void *bytes, size_t length)
{
    const char *rest = bytes;
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, rest, length);
        if (n == -1 && errno != EINTR)
            die("standard output");
        if (n > 0) {
            rest += n;
            length -= (size_t)n;
        }
    }
}

/* A line that grows until its end or LONGEST; what is longer goes as one message after the other. */
static void produce(const char *name)
{
    struct ring *ring = make_ring(name);
    char line[LONGEST], bytes[4096];
    uint32_t length = 0;
    unsigned next = 0;
    bool begun = false;
    ssize_t got;

    write_all("ready\n", 6);
    while ((got = read(STDIN_FILENO, bytes, sizeof bytes)) != 0) {
        if (got == -1 && errno != EINTR)
            die("standard input");
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] == '\n') {
                put(ring, &next, line, length);
                length = 0;
                begun = false;
                continue;
            }
            if (length == LONGEST) {
                put(ring, &next, line, length);
                length = 0;
            }
            line[length++] = bytes[i];
            begun = true;
        }
    }
    if (begun) /* the last line has no newline */
        put(ring, &next, line, length);
    put(ring, &next, "", END_OF_STREAM);
}

/* The slot belongs to the reader from one semaphore to the other. */
static void consume(const char *name)
{
    struct ring *ring = take_ring(name);
    for (unsigned taken = 0;; taken++) {
        struct message *slot = &ring->slots[taken % SLOTS];
        wait_for(&ring->filled_slots);
        uint32_t length = slot->length; /* once: the other side is not trusted */
        if (length == END_OF_STREAM)
            return;
        if (length > LONGEST) {
            fprintf(stderr, "a message of %lu bytes\n", (unsigned long)length);
            exit(1);
        }
        char line[LONGEST + 1];
        memcpy(line, slot->text, length);
        line[length] = '\n';
        write_all(line, length + 1);
        announce(&ring->free_slots);
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
