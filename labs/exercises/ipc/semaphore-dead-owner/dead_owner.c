/*
 * A process holds a lock and is killed. Which locks come free, and which wait for the dead?
 *
 * For each kind a child takes the lock and raises SIGKILL; the parent, which has waited for its
 * end, tries to take it without blocking.
 *
 * Man pages: sem_overview(7), pthread_mutexattr_setrobust(3), pthread_mutex_consistent(3), semop(2),
 * flock(2), fcntl_locking(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

static const char LOCK_FILE[] = "lock";
static const char EXCLUSIVE_FILE[] = "lock.exclusive";

struct shared {
    sem_t semaphore;
    pthread_mutex_t plain;
    pthread_mutex_t robust;
    pthread_mutex_t neglected; /* robust, too, but its next owner does not repair anything */
};

static struct shared *shared;
static int set = -1;
static pid_t owner;

static void clean_up(void)
{
    if (set != -1)
        semctl(set, 0, IPC_RMID);
    unlink(LOCK_FILE);
    unlink(EXCLUSIVE_FILE);
}

/* Names outlive processes: whoever fails takes them away first. */
static _Noreturn void die(const char *what)
{
    perror(what);
    if (getpid() == owner)
        clean_up();
    _exit(1);
}

/* What trying to take the lock of the dead gives. */
static const char *verdict(int error)
{
    switch (error) {
    case 0: return "free";
    case EAGAIN:
    case EACCES:
    case EBUSY:
    case EEXIST: return "still locked";
    case EOWNERDEAD: return "free, owner died (EOWNERDEAD)";
    case ENOTRECOVERABLE: return "unusable (ENOTRECOVERABLE)";
    case ENOSYS: return "unavailable (ENOSYS)";
    default: return "another error";
    }
}

/* The locks: each is taken without waiting, and answers 0 or an errno. */
static int take_semaphore(void)
{
    return sem_trywait(&shared->semaphore) == -1 ? errno : 0;
}

static int take_plain(void)
{
    return pthread_mutex_trylock(&shared->plain);
}

static int take_robust(void)
{
    return pthread_mutex_trylock(&shared->robust);
}

static int take_neglected(void)
{
    return pthread_mutex_trylock(&shared->neglected);
}

static int take_system_v(int flags)
{
    struct sembuf one = {.sem_num = 0, .sem_op = -1, .sem_flg = (short)(IPC_NOWAIT | flags)};
    return semop(set, &one, 1) == -1 ? errno : 0;
}

static int take_plain_system_v(void)
{
    return take_system_v(0);
}

static int take_undo_system_v(void)
{
    return take_system_v(SEM_UNDO);
}

static int open_lock_file(void)
{
    int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1)
        die(LOCK_FILE);
    return fd;
}

/* The descriptor stays open: closing it would release the lock. */
static int take_flock(void)
{
    return flock(open_lock_file(), LOCK_EX | LOCK_NB) == -1 ? errno : 0;
}

static int take_record(void)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(open_lock_file(), F_SETLK, &whole) == -1 ? errno : 0;
}

static int take_by_existence(void)
{
    int fd = open(EXCLUSIVE_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd == -1 ? errno : 0;
}

static void die_holding(int (*take)(void))
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        errno = take();
        if (errno != 0)
            die("the child could not take the lock");
        raise(SIGKILL);
        _exit(1);
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        errno = ECHILD;
        die("the child was not killed holding the lock");
    }
}

static const char *after_death(int (*take)(void))
{
    die_holding(take);
    return verdict(take());
}

/* Sets up a mutex for processes: 0 or an errno. */
static int set_up(pthread_mutex_t *mutex, bool robust)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0)
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0 && robust)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (error == 0)
        error = pthread_mutex_init(mutex, &attributes);
    return error;
}

/* The next owner is told, repairs what the mutex protects, says so, and all is as before. */
static void show_robust(void)
{
    int available = set_up(&shared->robust, true);
    if (available != 0) {
        printf("\"robust_mutex\": \"%s\", ", verdict(available));
        return;
    }
    die_holding(take_robust);
    int told = take_robust();
    if (told == EOWNERDEAD)
        told = pthread_mutex_consistent(&shared->robust) == 0 ? EOWNERDEAD : EINVAL;
    pthread_mutex_unlock(&shared->robust);
    int repaired = take_robust();
    pthread_mutex_unlock(&shared->robust);

    if (set_up(&shared->neglected, true) != 0)
        die("pthread_mutex_init");
    die_holding(take_neglected);
    if (take_neglected() == EOWNERDEAD)
        pthread_mutex_unlock(&shared->neglected); /* FLAW: not marked as consistent again */
    printf("\"robust_mutex\": \"%s\", \"robust_repaired\": \"%s\", \"robust_neglected\": \"%s\", ",
           verdict(told), verdict(repaired), verdict(take_neglected()));
}

static void raise_set(void)
{
    struct sembuf one = {.sem_num = 0, .sem_op = 1};
    if (semop(set, &one, 1) == -1)
        die("semop");
}

static void show_system_v(void)
{
    set = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (set == -1)
        die("semget");
    raise_set();
    const char *plain = after_death(take_plain_system_v);
    raise_set();
    printf("\"sysv_semaphore\": \"%s\", ", plain);
    printf("\"sysv_semaphore_undo\": \"%s\", ", after_death(take_undo_system_v));
}

int main(void)
{
    /* The line is printed in pieces; children leave by a signal or _exit and print none of it. */
    owner = getpid();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    if (sem_init(&shared->semaphore, 1, 1) == -1)
        die("sem_init");
    if (set_up(&shared->plain, false) != 0)
        die("pthread_mutex_init");
    printf("{\"posix_semaphore\": \"%s\", ", after_death(take_semaphore));
    printf("\"plain_mutex\": \"%s\", ", after_death(take_plain));
    show_robust();
    show_system_v();
    printf("\"flock\": \"%s\", ", after_death(take_flock));
    printf("\"record_lock\": \"%s\", ", after_death(take_record));
    printf("\"exclusive_file\": \"%s\"}\n", after_death(take_by_existence));
    clean_up();
    return 0;
}
