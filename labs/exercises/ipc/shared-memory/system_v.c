/*
 * Shared memory the System V way: a segment with a number instead of a name.
 *
 * Shown: an attached segment is inherited through fork and shared; it carries an owner and a mode;
 * it outlives everybody unless it is marked for removal, and then it ends with the last detach.
 *
 * Man pages: sysvipc(7), shmget(2), shmop(2), shmctl(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER = 42 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

/*
 * Marked for removal as soon as it is attached: the segment stays usable while anybody has it, and
 * cannot be left behind, however we end.
 */
static int *attach_marked(int id)
{
    int *number = shmat(id, NULL, 0);
    int attach_error = number == (void *)-1 ? errno : 0;
    if (shmctl(id, IPC_RMID, NULL) == -1)
        die("IPC_RMID");
    errno = attach_error;
    if (attach_error != 0)
        die("shmat");
    return number;
}

/* Once marked, the mode carries SHM_DEST beside the nine permission bits. */
static unsigned permissions_of(int id)
{
    struct shmid_ds about;
    if (shmctl(id, IPC_STAT, &about) == -1)
        die("IPC_STAT");
    return (unsigned)about.shm_perm.mode & 0777u;
}

static bool exists(int id)
{
    struct shmid_ds about;
    return shmctl(id, IPC_STAT, &about) == 0;
}

/* waitpid() gives the order: the parent looks when the child has written and gone. */
static bool child_writes_into(int *number)
{
    int status;
    *number = 0;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        *number = ANSWER;
        _exit(0);
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return *number == ANSWER;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    int id = shmget(IPC_PRIVATE, sizeof(int), IPC_CREAT | 0600);
    if (id == -1)
        die("shmget");
    int *number = attach_marked(id);
    unsigned mode = permissions_of(id);
    bool shared = child_writes_into(number);
    if (shmdt(number) == -1)
        die("shmdt");
    bool gone = !exists(id);
    printf("the child's number arrived: %s; the segment is gone: %s\n", json_bool(shared),
           json_bool(gone));

    printf("{\"sysv_shared\": %s, \"sysv_mode\": \"%04o\", \"sysv_gone_after_detach\": %s}\n",
           json_bool(shared), mode, json_bool(gone));
    return 0;
}
