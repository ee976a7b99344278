/*
 * Unnamed POSIX semaphores: they are where they lie. In shared memory they order two processes; in
 * private memory each process has its own.
 *
 * Shown: a producer and a consumer with a buffer of four places and two semaphores; a semaphore in
 * memory that fork() copies is two semaphores; the largest value and what lies beyond.
 *
 * Man pages: sem_overview(7), sem_init(3), sem_post(3), sem_getvalue(3), mmap(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES = 4, ITEMS = 500 };

/* `empty` counts places to write to, `full` counts those to read from. */
struct buffer {
    sem_t empty;
    sem_t full;
    int place[PLACES];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EAGAIN: return "blocked (EAGAIN)";
    case EINVAL: return "blocked (EINVAL)";
    case EOVERFLOW: return "blocked (EOVERFLOW)";
    default: return "blocked (another error)";
    }
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

static void *map(size_t size, int sharing)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

static void set_up(sem_t *semaphore, int shared, unsigned value)
{
    if (sem_init(semaphore, shared, value) == -1)
        die("sem_init");
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

static int value(sem_t *semaphore)
{
    int now;
    if (sem_getvalue(semaphore, &now) == -1)
        die("sem_getvalue");
    return now;
}

static _Noreturn void produce(struct buffer *buffer)
{
    for (int i = 0; i < ITEMS; i++) {
        down(&buffer->empty);
        buffer->place[i % PLACES] = i;
        up(&buffer->full);
    }
    _exit(0);
}

/* How many items come as they were sent: each once, and in order. */
static int consume(struct buffer *buffer)
{
    int right = 0;
    for (int i = 0; i < ITEMS; i++) {
        down(&buffer->full);
        right += buffer->place[i % PLACES] == i;
        up(&buffer->empty);
    }
    return right;
}

static int exchange(struct buffer *buffer)
{
    set_up(&buffer->empty, 1, PLACES); /* 1: for processes, not only for threads */
    set_up(&buffer->full, 1, 0);
    pid_t child = start_child();
    if (child == 0)
        produce(buffer);
    int right = consume(buffer);
    wait_for(child);
    return right;
}

/* A child raises it; the value its parent sees afterwards. */
static int raised_by_child(sem_t *semaphore)
{
    set_up(semaphore, 1, 0);
    pid_t child = start_child();
    if (child == 0) {
        up(semaphore);
        _exit(0);
    }
    wait_for(child);
    return value(semaphore);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    struct buffer *buffer = map(sizeof *buffer, MAP_SHARED);
    int right = exchange(buffer);
    int left_full = value(&buffer->full), left_empty = value(&buffer->empty);
    printf("%d items through %d places, %d right\n", (int)ITEMS, (int)PLACES, right);
    int in_shared = raised_by_child(&buffer->full);
    sem_t *private = map(sizeof *private, MAP_PRIVATE);
    int in_private = raised_by_child(private); /* FLAW: pshared is 1, and yet it is not shared */
    printf("raised by a child: in shared memory %d, in private memory %d\n", in_shared, in_private);

    int too_much = sem_init(&buffer->full, 1, (unsigned)SEM_VALUE_MAX + 1u) == -1 ? errno : 0;
    set_up(&buffer->full, 1, SEM_VALUE_MAX);
    int beyond = sem_post(&buffer->full) == -1 ? errno : 0;

    printf("{\"items_in_order\": %d, \"places_given_back\": %s, ", right,
           json_bool(left_full == 0 && left_empty == PLACES));
    printf("\"raised_in_shared\": %d, \"raised_in_private\": %d, ", in_shared, in_private);
    printf("\"largest_value\": %d, \"initial_too_large\": \"%s\", \"post_beyond\": \"%s\"}\n",
           SEM_VALUE_MAX, verdict(too_much), verdict(beyond));
    return 0;
}
