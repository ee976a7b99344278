/*
 * System V semaphores: sets of them, changed together or not at all, and undone for the dead.
 *
 * Shown: a new semaphore is 0 and has to be raised; two taken in one operation are taken both or
 * neither; waiting for zero; a process killed while it holds one gives it back if, and only if, it
 * took it with SEM_UNDO; the list of sets in /proc/sysvipc/sem.
 *
 * Man pages: sysvipc(7), semget(2), semop(2), semctl(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEFT = 0, RIGHT = 1, FORKS = 2, LINE = 256 };

static int set = -1;
static pid_t owner;

static void clean_up(void)
{
    if (set != -1)
        semctl(set, 0, IPC_RMID);
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
    case EFBIG: return "blocked (EFBIG)";
    case EINVAL: return "blocked (EINVAL)";
    case EIDRM: return "blocked (EIDRM)";
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

/* The status with which `child` ended. */
static int reap(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static int change(struct sembuf *operations, size_t count)
{
    while (semop(set, operations, count) == -1)
        if (errno != EINTR)
            return errno;
    return 0;
}

static int add(int which, int by, int flags)
{
    struct sembuf one = {.sem_num = (unsigned short)which, .sem_op = (short)by, .sem_flg = (short)flags};
    return change(&one, 1);
}

static void must(int error)
{
    errno = error;
    if (error != 0)
        die("semop");
}

static int value(int which)
{
    int now = semctl(set, which, GETVAL);
    if (now == -1)
        die("GETVAL");
    return now;
}

/* The philosopher's step: both forks at once, or neither. */
static int take_both(void)
{
    struct sembuf both[FORKS] = {
        {.sem_num = LEFT, .sem_op = -1, .sem_flg = IPC_NOWAIT},
        {.sem_num = RIGHT, .sem_op = -1, .sem_flg = IPC_NOWAIT},
    };
    return change(both, FORKS);
}

/* The value of LEFT after a child took it and was killed. */
static int after_death(int flags)
{
    pid_t child = start_child();
    if (child == 0) {
        must(add(LEFT, -1, flags));
        raise(SIGKILL); /* no handler, no exit function: nothing of the child's runs any more */
        _exit(1);
    }
    int status = reap(child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        errno = ECHILD;
        die("the child was not killed");
    }
    return value(LEFT);
}

/* A child waits until LEFT is 0; the parent holds it until the child has begun to wait. */
static bool wait_for_zero(void)
{
    pid_t child = start_child();
    if (child == 0) {
        must(add(LEFT, 0, 0));
        _exit(0);
    }
    int waiting;
    do { /* an event to wait for: the kernel counts who waits for zero */
        waiting = semctl(set, LEFT, GETZCNT);
        if (waiting == -1)
            die("GETZCNT");
        usleep(1000);
    } while (waiting == 0);
    must(add(LEFT, -1, 0));
    return reap(child) == 0;
}

/* Columns: key semid perms nsems ... */
static bool listed(void)
{
    char line[LINE];
    bool found = false;
    FILE *list = fopen("/proc/sysvipc/sem", "re");
    if (list == NULL)
        die("/proc/sysvipc/sem");
    while (!found && fgets(line, sizeof line, list) != NULL) {
        int id, count;
        found = sscanf(line, "%*d %d %*o %d", &id, &count) == 2 && id == set && count == FORKS;
    }
    fclose(list);
    return found;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    owner = getpid();
    set = semget(IPC_PRIVATE, FORKS, IPC_CREAT | 0600);
    if (set == -1)
        die("semget");
    int initial = value(LEFT);
    int taking_zero = add(LEFT, -1, IPC_NOWAIT);
    must(add(LEFT, 1, 0));
    int one_missing = take_both();
    int left_untouched = value(LEFT);
    must(add(RIGHT, 1, 0));
    int both_there = take_both();
    must(add(LEFT, 1, 0));
    int undone = after_death(SEM_UNDO);
    int not_undone = after_death(0);
    printf("killed with SEM_UNDO: %d; killed without: %d\n", undone, not_undone);
    must(add(LEFT, 1, 0));
    bool zero = wait_for_zero();
    bool in_list = listed();
    if (semctl(set, 0, IPC_RMID) == -1)
        die("IPC_RMID");
    bool gone = !listed();

    printf("{\"initial\": %d, \"take_from_zero\": \"%s\", ", initial, verdict(taking_zero));
    printf("\"two_at_once_one_missing\": \"%s\", \"other_one_untouched\": %s, ", verdict(one_missing),
           json_bool(left_untouched == 1));
    printf("\"two_at_once\": \"%s\", \"killed_with_undo\": %d, ", verdict(both_there), undone);
    printf("\"killed_without_undo\": %d, \"waited_for_zero\": %s, ", not_undone, json_bool(zero));
    printf("\"listed\": %s, \"gone\": %s}\n", json_bool(in_list), json_bool(gone));
    return 0;
}
