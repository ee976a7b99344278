/*
 * Wrong: the producer announces a slot before it has filled it. A consumer that waits for one takes
 * what was there before.
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

/* The slot is filled before it is announced: sem_post and sem_wait also order memory. */
static void put(struct ring *ring, unsigned *next, const char *text, uint32_t length)
{
    struct message *slot = &ring->slots[*next];
    wait_for(&ring->free_slots);
    announce(&ring->filled_slots); /* wrong: too early */
    slot->length = length;
    if (length != END_OF_STREAM)
        memcpy(slot->text, text, length);
    *next = (*next + 1) % SLOTS;
}

static void produce(const char *name)
{
    struct ring *ring = make_ring(name);
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    unsigned next = 0;
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("standard output");
    while ((got = getline(&line, &room, stdin)) != -1) {
        size_t length = (size_t)got - (line[got - 1] == '\n');
        const char *rest = line;
        for (; length > LONGEST; rest += LONGEST, length -= LONGEST)
            put(ring, &next, rest, LONGEST);
        put(ring, &next, rest, (uint32_t)length);
    }
    if (ferror(stdin))
        die("standard input");
    put(ring, &next, "", END_OF_STREAM);
    free(line);
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
