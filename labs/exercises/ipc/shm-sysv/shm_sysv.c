/*
 * A System V segment: a number instead of a name, and nobody's in particular.
 *
 *   shm_sysv create   make a segment under a key, write into it, end without removing it
 *   shm_sysv spy      as another user: look it up, read the kernel's list, try to attach
 *   shm_sysv remove   as the owner: mark it for removal while attached, see what still works
 *
 * The kernel's list, /proc/sysvipc/shm, is where ipcs(1) looks, too. (That a segment is inherited
 * through fork is shown by the exercise ipc/shared-memory.)
 *
 * Man pages: sysvipc(7), shmget(2), shmop(2), shmctl(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 100, LINE = 512 };

static const char TEXT[] = "left by a process that has ended";
static key_t key;

/* What /proc/sysvipc/shm says about the segment. */
struct listing {
    bool found;
    int key;
    unsigned mode;
    unsigned long size;
    unsigned long attached;
};

/* Whoever fails takes the segment away; for anybody but the owner this is refused. */
static _Noreturn void die(const char *what)
{
    perror(what);
    int id = shmget(key, 0, 0);
    if (id != -1)
        shmctl(id, IPC_RMID, NULL);
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
    case EIDRM: return "blocked (EIDRM)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another error)";
    }
}

/* A System V key is only a number: FNV-1a turns the tag into one, never 0 (IPC_PRIVATE). */
static key_t key_of(const char *tag)
{
    uint32_t hash = 2166136261u;
    for (; *tag != '\0'; tag++)
        hash = (hash ^ (unsigned char)*tag) * 16777619u;
    return (key_t)(hash & 0x7fffffffu) + (hash % 0x80000000u == 0);
}

static int find(void)
{
    int id = shmget(key, 0, 0);
    if (id == -1)
        die("shmget");
    return id;
}

static char *attach(int id)
{
    char *text = shmat(id, NULL, 0);
    if (text == (void *)-1)
        die("shmat");
    return text;
}

static void detach(const char *text)
{
    if (shmdt(text) == -1)
        die("shmdt");
}

static const char *try_attach(int id)
{
    char *text = shmat(id, NULL, 0);
    if (text == (void *)-1)
        return verdict(errno);
    detach(text);
    return verdict(0);
}

/* Columns: key shmid perms size cpid lpid nattch uid ...; the permissions are in octal. */
static struct listing look_up(int id)
{
    struct listing row = {.found = false};
    char line[LINE];
    FILE *list = fopen("/proc/sysvipc/shm", "re");
    if (list == NULL)
        die("/proc/sysvipc/shm");
    while (!row.found && fgets(line, sizeof line, list) != NULL) {
        int shmid;
        int fields = sscanf(line, "%d %d %o %lu %*d %*d %lu", &row.key, &shmid, &row.mode, &row.size,
                            &row.attached);
        row.found = fields == 5 && shmid == id;
    }
    fclose(list);
    return row;
}

static void run_create(void)
{
    /* IPC_EXCL: somebody else's segment under this key must not be taken for ours. */
    int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
    if (id == -1)
        die("shmget");
    char *text = attach(id);
    bool zeros = text[0] == '\0' && memcmp(text, text + 1, SIZE - 1) == 0;
    memcpy(text, TEXT, sizeof TEXT);
    detach(text);
    printf("a segment of %d bytes is left behind\n", (int)SIZE);
    printf("{\"zeros\": %s}\n", json_bool(zeros));
}

static void run_spy(void)
{
    int id = shmget(key, 0, 0);
    printf("{\"other_finds\": \"%s\", ", verdict(id == -1 ? errno : 0));
    struct listing row = look_up(id);
    printf("\"other_sees_listed\": %s, \"listed_size\": %lu, \"listed_mode\": \"%04o\", ",
           json_bool(row.found), row.size, row.mode & 0777u);
    printf("\"other_attaches\": \"%s\", ", try_attach(id));
    printf("\"other_removes\": \"%s\"}\n", verdict(shmctl(id, IPC_RMID, NULL) == -1 ? errno : 0));
}

/* Another process comes late: the segment is marked, but it knows the number. */
static const char *late_attach(int id)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        _exit(strcmp(try_attach(id), verdict(0)) == 0 ? 0 : 1);
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "allowed" : "blocked";
}

static void run_remove(void)
{
    int id = find();
    struct listing before = look_up(id);
    char *text = attach(id);
    bool kept = strcmp(text, TEXT) == 0;
    bool counted = before.attached == 0 && look_up(id).attached == 1;
    if (shmctl(id, IPC_RMID, NULL) == -1)
        die("IPC_RMID");
    bool usable = strcmp(text, TEXT) == 0;
    const char *by_key = verdict(shmget(key, 0, 0) == -1 ? errno : 0);
    bool key_is_private = look_up(id).key == IPC_PRIVATE;
    const char *by_id = late_attach(id);
    detach(text);
    bool gone = !look_up(id).found;
    const char *after = try_attach(id);
    printf("marked, but attached: usable %s; detached: gone %s\n", json_bool(usable), json_bool(gone));
    printf("{\"survives_creator\": %s, \"attachments_counted\": %s, \"usable_when_marked\": %s, ",
           json_bool(kept), json_bool(counted), json_bool(usable));
    printf("\"marked_by_key\": \"%s\", \"key_becomes_private\": %s, \"marked_by_number\": \"%s\", ",
           by_key, json_bool(key_is_private), by_id);
    printf("\"gone_after_last_detach\": %s, \"attach_after\": \"%s\"}\n", json_bool(gone), after);
}

int main(int argc, char *argv[])
{
    const char *tag = getenv("ISOLAB_TAG");
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    key = key_of(tag != NULL ? tag : "by-hand");
    if (strcmp(what, "create") == 0) {
        run_create();
    } else if (strcmp(what, "spy") == 0) {
        run_spy();
    } else if (strcmp(what, "remove") == 0) {
        run_remove();
    } else {
        fprintf(stderr, "usage: %s create | spy | remove\n", argv[0]);
        return 1;
    }
    return 0;
}
