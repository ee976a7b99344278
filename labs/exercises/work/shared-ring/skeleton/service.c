/*
 * One process puts lines into a ring in shared memory, another one takes them out.
 *
 *   service produce NAME   makes the ring, says "ready", and puts in each line of its standard input
 *   service consume NAME   removes the name, and prints each message as a line, until the stream ends
 *
 * Man pages: shm_overview(7), sem_overview(7), sem_init(3), sem_wait(3), mmap(2), getline(3).
 */
#include "ring.h"

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

static void produce(const char *name)
{
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd == -1)
        die(name);
    if (ftruncate(fd, sizeof(struct ring)) == -1)
        die("ftruncate");
    struct ring *ring = map(fd);
    memset(ring->slots, 0, sizeof ring->slots);
    /* TODO: the semaphores */
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("standard output");
    /* TODO: each line of standard input into the next slot, and then the end of the stream */
}

static void consume(const char *name)
{
    int fd = shm_open(name, O_RDWR, 0);
    if (fd == -1)
        die(name);
    struct ring *ring = map(fd);
    /* TODO: remove the name; print messages until the end of the stream */
    printf("%lu bytes in the first slot\n", (unsigned long)ring->slots[0].length);
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
