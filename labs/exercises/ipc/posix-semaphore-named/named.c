/*
 * A named POSIX semaphore: a few bytes in a file that two programs find by name.
 *
 *   named create   make two, mode 0600 and 0666, with value 1; take, try, wait with a time limit
 *   named other    as another user: open both, and raise the one that is open to all
 *   named remove   see what the value has become, and take the names away
 *
 * Man pages: sem_overview(7), sem_open(3), sem_wait(3), sem_post(3), sem_unlink(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAME_SIZE = 128 };

static char private_name[NAME_SIZE];
static char public_name[NAME_SIZE];
static pid_t owner;

static void clean_up(void)
{
    sem_unlink(private_name);
    sem_unlink(public_name);
}

/* Names outlive processes: whoever fails takes them away first. */
static _Noreturn void die(const char *what)
{
    perror(what);
    if (getpid() == owner)
        clean_up();
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
    case EACCES: return "blocked (EACCES)";
    case EAGAIN: return "blocked (EAGAIN)";
    case EEXIST: return "blocked (EEXIST)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case EPERM: return "blocked (EPERM)";
    case ETIMEDOUT: return "blocked (ETIMEDOUT)";
    default: return "blocked (another error)";
    }
}

static void name_semaphore(char name[NAME_SIZE], const char *suffix)
{
    const char *tag = getenv("ISOLAB_TAG");
    int length = snprintf(name, NAME_SIZE, "/isolab-sem-%s-%s", tag != NULL ? tag : "by-hand", suffix);
    if (length < 0 || length >= NAME_SIZE) {
        fprintf(stderr, "ISOLAB_TAG is too long\n");
        exit(1);
    }
}

static sem_t *create(const char *name, mode_t mode)
{
    /* O_EXCL: a semaphore somebody else put under this name must not be taken for ours. */
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, mode, 1);
    if (semaphore == SEM_FAILED)
        die("sem_open");
    return semaphore;
}

static sem_t *find(const char *name)
{
    sem_t *semaphore = sem_open(name, 0);
    if (semaphore == SEM_FAILED)
        die("sem_open");
    return semaphore;
}

static int value(sem_t *semaphore)
{
    int now;
    if (sem_getvalue(semaphore, &now) == -1)
        die("sem_getvalue");
    return now;
}

static void let_go(sem_t *semaphore)
{
    if (sem_close(semaphore) == -1)
        die("sem_close");
}

static int try_open(const char *name)
{
    sem_t *semaphore = sem_open(name, 0);
    if (semaphore == SEM_FAILED)
        return errno;
    let_go(semaphore);
    return 0;
}

/* How long a semaphore's file is. Its name in /dev/shm is the C library's choice. */
static int file_size(const char *name)
{
    char path[2][NAME_SIZE + 16];
    struct stat about;
    snprintf(path[0], sizeof path[0], "/dev/shm%s", name);          /* musl */
    snprintf(path[1], sizeof path[1], "/dev/shm/sem.%s", name + 1); /* glibc */
    for (int i = 0; i < 2; i++)
        if (stat(path[i], &about) == 0)
            return (int)about.st_size;
    return -1;
}

/* Waits for at most a moment; nobody will raise it. */
static int wait_a_moment(sem_t *semaphore)
{
    struct timespec until;
    if (clock_gettime(CLOCK_REALTIME, &until) == -1)
        die("clock_gettime");
    until.tv_sec += 1;
    while (sem_timedwait(semaphore, &until) == -1)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* The child finds the semaphore by name, not by inheritance, and raises it for the parent. */
static bool raised_by_child(sem_t *semaphore)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        sem_t *same = find(private_name);
        if (sem_post(same) == -1)
            die("sem_post");
        _exit(0);
    }
    while (sem_wait(semaphore) == -1)
        if (errno != EINTR)
            die("sem_wait");
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status == 0;
}

static void run_create(void)
{
    mode_t before = umask(0); /* the umask would turn 0666 into 0644 */
    sem_t *private = create(private_name, 0600);
    let_go(create(public_name, 0666));
    umask(before);
    sem_t *again = sem_open(private_name, O_CREAT | O_EXCL, 0600, 1);
    int twice = again == SEM_FAILED ? errno : 0;
    int taken = sem_trywait(private) == -1 ? errno : 0;
    int empty = sem_trywait(private) == -1 ? errno : 0;
    int late = wait_a_moment(private);
    bool raised = raised_by_child(private);
    printf("taken, and not given back: value %d\n", value(private));
    let_go(private);
    printf("{\"create_twice\": \"%s\", \"take\": \"%s\", \"take_again\": \"%s\", ", verdict(twice),
           verdict(taken), verdict(empty));
    printf("\"wait_a_second\": \"%s\", \"raised_by_child\": %s, \"file_bytes\": %d}\n", verdict(late),
           json_bool(raised), file_size(private_name));
}

/* No need to own it, no need to have taken it: whoever can open it can raise it. */
static void run_other(void)
{
    const char *private_open = verdict(try_open(private_name));
    sem_t *public = sem_open(public_name, 0);
    int opened = public == SEM_FAILED ? errno : 0;
    int raised = opened;
    if (public != SEM_FAILED) {
        raised = sem_post(public) == -1 ? errno : 0;
        let_go(public);
    }
    int unlinked = sem_unlink(public_name) == -1 ? errno : 0;
    printf("{\"other_opens_private\": \"%s\", \"other_opens_public\": \"%s\", ", private_open,
           verdict(opened));
    printf("\"other_raises_public\": \"%s\", \"other_unlinks_public\": \"%s\"}\n", verdict(raised),
           unlinked == 0 ? "allowed" : "blocked");
}

static void run_remove(void)
{
    sem_t *private = find(private_name), *public = find(public_name);
    int still_taken = value(private), too_many = value(public);
    if (sem_unlink(private_name) == -1 || sem_unlink(public_name) == -1)
        die("sem_unlink");
    bool usable = sem_post(private) == 0 && value(private) == still_taken + 1;
    let_go(private);
    let_go(public);
    printf("the mutex of mode 0666 has the value %d\n", too_many);
    printf("{\"value_kept\": %s, \"mutex_open_to_all\": %d, \"usable_when_unlinked\": %s, ",
           json_bool(still_taken == 0), too_many, json_bool(usable));
    printf("\"open_after_unlink\": \"%s\"}\n", verdict(try_open(private_name)));
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    owner = getpid();
    name_semaphore(private_name, "private");
    name_semaphore(public_name, "public");
    if (strcmp(what, "create") == 0) {
        run_create();
    } else if (strcmp(what, "other") == 0) {
        run_other();
    } else if (strcmp(what, "remove") == 0) {
        run_remove();
    } else {
        fprintf(stderr, "usage: %s create | other | remove\n", argv[0]);
        return 1;
    }
    return 0;
}
