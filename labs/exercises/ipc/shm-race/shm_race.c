/*
 * Two processes add to one counter in shared memory. Each step is "load, add, store", and what the
 * other stored between load and store is lost.
 *
 * Shown: the interleaving that loses an update, forced step by step; the same happening by itself
 * when both run freely; none lost with a semaphore around the step, or with one atomic step.
 * Loads and stores are atomic here, so nothing is undefined in C: the flaw is that two of them are
 * not one.
 *
 * Man pages: sem_overview(7), sem_init(3), mmap(2), sched_yield(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 500, /* each gives the processor up: seconds on a busy host */
    ATTEMPTS = 50, /* free runs until one loses something; the first does, nearly always */
};

struct shared {
    atomic_int counter;
    atomic_int ready; /* processes that have come to the start */
    sem_t mutex;
    sem_t loaded;
    sem_t stored;
};

static struct shared *shared;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static void wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = ECHILD;
        die("the child failed");
    }
}

static void down(sem_t *semaphore)
{
    while (sem_wait(semaphore) == -1)
        if (errno != EINTR)
            die("sem_wait");
}

static void up(sem_t *semaphore)
{
    if (sem_post(semaphore) == -1)
        die("sem_post");
}

static void set_up(sem_t *semaphore, unsigned value)
{
    if (sem_init(semaphore, 1, value) == -1) /* 1: shared between processes */
        die("sem_init");
}

/* FLAW: the counter may change between the load and the store. Yielding makes it likely. */
static void add_racy(void)
{
    int value = atomic_load(&shared->counter);
    sched_yield();
    atomic_store(&shared->counter, value + 1);
}

static void add_locked(void)
{
    down(&shared->mutex);
    add_racy();
    up(&shared->mutex);
}

static void add_atomic(void)
{
    atomic_fetch_add(&shared->counter, 1);
}

/* The parent's load, then all of the child's step, then the parent's store: two steps, one more. */
static int forced(void)
{
    atomic_store(&shared->counter, 0);
    pid_t child = start_child();
    if (child == 0) {
        down(&shared->loaded);
        add_racy();
        up(&shared->stored);
        _exit(0);
    }
    int value = atomic_load(&shared->counter);
    up(&shared->loaded);
    down(&shared->stored);
    atomic_store(&shared->counter, value + 1);
    wait_for(child);
    return atomic_load(&shared->counter);
}

/* Neither starts before both are there, so that they really run side by side. */
static void race(void (*add)(void))
{
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->ready) < 2)
        sched_yield();
    for (int i = 0; i < ROUNDS; i++)
        add();
}

/* How many of the additions of both processes are missing in the end. */
static int lost(void (*add)(void))
{
    atomic_store(&shared->counter, 0);
    atomic_store(&shared->ready, 0);
    pid_t child = start_child();
    if (child == 0) {
        race(add);
        _exit(0);
    }
    race(add);
    wait_for(child);
    return 2 * ROUNDS - atomic_load(&shared->counter);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    set_up(&shared->mutex, 1);
    set_up(&shared->loaded, 0);
    set_up(&shared->stored, 0);

    int both = forced();
    printf("two steps, interleaved on purpose: the counter says %d\n", both);
    int missing = 0;
    for (int i = 0; i < ATTEMPTS && missing == 0; i++)
        missing = lost(add_racy);
    printf("two processes, %d steps each: %d lost\n", (int)ROUNDS, missing);
    int missing_locked = lost(add_locked);
    int missing_atomic = lost(add_atomic);
    printf("with a semaphore: %d lost; with an atomic step: %d lost\n", missing_locked, missing_atomic);

    printf("{\"forced_counter\": %d, \"lost_updates\": %s, ", both, json_bool(missing > 0));
    printf("\"lost_with_semaphore\": %d, \"lost_with_atomic_add\": %d}\n", missing_locked,
           missing_atomic);
    return 0;
}
