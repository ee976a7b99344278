/*
 * Shared memory, in which two semaphores keep the order, and signals, which carry nothing but themselves.
 *
 * A semaphore that has not to wait asks no kernel; one that has waits in a futex.
 *
 * Man pages: mmap(2), sem_overview(7), futex(7), kill(2), sigwaitinfo(2).
 */
#include "../measure.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>

#include "channel.h"

enum { SLOTS = 16 }; /* as much as fits into a pipe */

/* --- shared memory: a ring for each receiver */
struct ring {
    sem_t full, empty;
    char slots[SLOTS][MESSAGE];
};

static struct ring *rings;
static unsigned sent, received;
static int mine;

static int open_memory(void)
{
    rings = mmap(NULL, 2 * sizeof *rings, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rings == MAP_FAILED)
        return errno;
    for (int side = PARENT; side <= CHILD; side++)
        if (sem_init(&rings[side].full, 1, 0) == -1 || sem_init(&rings[side].empty, 1, SLOTS) == -1)
            return errno;
    sent = received = 0;
    return 0;
}

static void take_memory(int side, pid_t partner)
{
    (void)partner;
    mine = side;
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) == -1)
        if (errno != EINTR)
            die("sem_wait");
}

static void let_go(sem_t *semaphore)
{
    if (sem_post(semaphore) == -1)
        die("sem_post");
}

static void send_memory(const void *data, size_t size)
{
    struct ring *ring = &rings[1 - mine];
    wait_for(&ring->empty);
    memcpy(ring->slots[sent++ % SLOTS], data, size);
    let_go(&ring->full);
}

static void receive_memory(void *data, size_t size)
{
    struct ring *ring = &rings[mine];
    wait_for(&ring->full);
    memcpy(data, ring->slots[received++ % SLOTS], size);
    let_go(&ring->empty);
}

static void close_memory(void)
{
    for (int side = PARENT; side <= CHILD; side++)
        if (sem_destroy(&rings[side].full) == -1 || sem_destroy(&rings[side].empty) == -1)
            die("sem_destroy");
    if (munmap(rings, 2 * sizeof *rings) == -1)
        die("munmap");
}

/* --- signals: one number for each receiver, blocked and waited for */
static const int numbers[2] = {SIGUSR1, SIGUSR2};
static sigset_t awaited, before;
static pid_t other;

static int open_signal(void)
{
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, numbers[PARENT]);
    sigaddset(&both, numbers[CHILD]);
    return sigprocmask(SIG_BLOCK, &both, &before) == -1 ? errno : 0;
}

static void take_signal(int side, pid_t partner)
{
    mine = side;
    other = partner;
    sigemptyset(&awaited);
    sigaddset(&awaited, numbers[side]);
}

static void send_signal(const void *data, size_t size)
{
    (void)data;
    (void)size;
    if (kill(other, numbers[1 - mine]) == -1)
        die("kill");
}

static void receive_signal(void *data, size_t size)
{
    (void)data;
    (void)size;
    while (sigwaitinfo(&awaited, NULL) == -1)
        if (errno != EINTR)
            die("sigwaitinfo");
}

static void close_signal(void)
{
    if (sigprocmask(SIG_SETMASK, &before, NULL) == -1)
        die("sigprocmask");
}

const struct mechanism by_shared_memory = {.latency = "latency_shared_memory",
                                           .throughput = "throughput_shared_memory",
                                           .open = open_memory,
                                           .take_side = take_memory,
                                           .send = send_memory,
                                           .receive = receive_memory,
                                           .close = close_memory};
const struct mechanism by_signal = {.latency = "latency_signal",
                                    .open = open_signal,
                                    .take_side = take_signal,
                                    .send = send_signal,
                                    .receive = receive_signal,
                                    .close = close_signal};
