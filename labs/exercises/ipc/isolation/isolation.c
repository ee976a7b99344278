/*
 * Which IPC objects can be seen from where? Those of the same machine by another user and from a new
 * IPC namespace; those of the host, planted there by the controller, from inside.
 *
 *   isolation create   a System V segment and queue, a POSIX object and queue, all of mode 0600
 *   isolation other    as another user: which of them are listed, found, opened?
 *   isolation apart    as their owner, in an IPC namespace of its own: which are still there?
 *   isolation host     the host's segment, queue and shared memory: leave a mark, take the message
 *   isolation remove
 *
 * Man pages: ipc_namespaces(7), sysvipc(7), shm_overview(7), mq_overview(7), unshare(2).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 128, LINE = 512 };

/* Linux gives its first IPC namespace the same number on every machine. */
static const char FIRST_NAMESPACE[] = "ipc:[4026531839]";

static char name[NAME_SIZE];
static key_t key;
static pid_t owner;

static void clean_up(void)
{
    int id;
    shm_unlink(name);
    mq_unlink(name);
    if ((id = shmget(key, 0, 0)) != -1)
        shmctl(id, IPC_RMID, NULL);
    if ((id = msgget(key, 0)) != -1)
        msgctl(id, IPC_RMID, NULL);
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
    case ENOENT: return "not there (ENOENT)";
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
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

static int open_segment(key_t which)
{
    int id = shmget(which, 0, 0);
    if (id == -1)
        return errno;
    void *memory = shmat(id, NULL, SHM_RDONLY);
    if (memory == (void *)-1)
        return errno;
    return shmdt(memory) == -1 ? errno : 0;
}

/* Asking for the state of a queue needs the right to read it: msgctl(2). */
static int open_queue(key_t which)
{
    struct msqid_ds about;
    int id = msgget(which, 0);
    return id == -1 || msgctl(id, IPC_STAT, &about) == -1 ? errno : 0;
}

static int open_memory(const char *which)
{
    int fd = shm_open(which, O_RDONLY, 0);
    if (fd == -1)
        return errno;
    return close(fd) == -1 ? errno : 0;
}

static int open_posix_queue(void)
{
    mqd_t queue = mq_open(name, O_RDONLY | O_CLOEXEC);
    if (queue == (mqd_t)-1)
        return errno;
    return mq_close(queue) == -1 ? errno : 0;
}

/* Is there a row for our key? It is the first column of each of the kernel's lists. */
static bool listed(const char *path)
{
    char line[LINE];
    bool found = false;
    FILE *list = fopen(path, "re");
    if (list == NULL)
        return false;
    while (!found && fgets(line, sizeof line, list) != NULL) {
        int row;
        found = sscanf(line, "%d", &row) == 1 && row == key;
    }
    fclose(list);
    return found;
}

static bool in_directory(const char *path)
{
    const struct dirent *entry;
    bool found = false;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return false;
    while (!found && (entry = readdir(directory)) != NULL)
        found = strcmp(entry->d_name, name + 1) == 0;
    closedir(directory);
    return found;
}

static const char *ipc_namespace(void)
{
    char link[64];
    ssize_t n = readlink("/proc/self/ns/ipc", link, sizeof link - 1);
    if (n == -1)
        return "unknown";
    link[n] = '\0';
    return strcmp(link, FIRST_NAMESPACE) == 0 ? "the kernel's first" : "made later";
}

static void run_create(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    int memory = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    int queue_error = queue == (mqd_t)-1 ? errno : 0; /* a sandbox may refuse it */
    if (memory == -1)
        die("shm_open");
    if (shmget(key, 1, IPC_CREAT | IPC_EXCL | 0600) == -1 ||
        msgget(key, IPC_CREAT | IPC_EXCL | 0600) == -1)
        die("System V objects");
    printf("{\"ipc_namespace\": \"%s\", \"own_posix_queue\": \"%s\"}\n", ipc_namespace(),
           verdict(queue_error));
}

static void run_other(void)
{
    printf("{\"other_segment\": \"%s\", \"other_queue\": \"%s\", ", verdict(open_segment(key)),
           verdict(open_queue(key)));
    printf("\"other_posix_memory\": \"%s\", \"other_posix_queue\": \"%s\", ",
           verdict(open_memory(name)), verdict(open_posix_queue()));
    printf("\"other_sees_segment\": %s, ", json_bool(listed("/proc/sysvipc/shm")));
    printf("\"other_sees_queue\": %s, ", json_bool(listed("/proc/sysvipc/msg")));
    printf("\"other_sees_posix_memory\": %s}\n", json_bool(in_directory("/dev/shm")));
}

/* An ordinary user needs a user namespace made in the same call: user_namespaces(7). */
static _Noreturn void look_from_apart(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) == -1) {
        printf("{\"unshare\": \"%s\"}\n", verdict(errno));
        _exit(0);
    }
    printf("{\"unshare\": \"allowed\", \"apart_segment\": \"%s\", ", verdict(open_segment(key)));
    printf("\"apart_queue\": \"%s\", ", verdict(open_queue(key)));
    printf("\"apart_posix_queue\": \"%s\", ", verdict(open_posix_queue()));
    printf("\"apart_posix_memory\": \"%s\"}\n", verdict(open_memory(name)));
    _exit(0); /* stdout is line-buffered, so everything is out */
}

static void run_apart(void)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        look_from_apart();
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (status != 0)
        die("the child failed");
}

/* The host's objects were planted for this exercise; a mark in them is seen from outside. */
static int mark_segment(key_t which, const char *mark)
{
    int id = shmget(which, 0, 0);
    if (id == -1)
        return errno;
    char *memory = shmat(id, NULL, 0);
    if (memory == (void *)-1)
        return errno;
    memcpy(memory, mark, strlen(mark) + 1);
    return shmdt(memory) == -1 ? errno : 0;
}

static int empty_queue(key_t which)
{
    struct {
        long type;
        char text[NAME_SIZE];
    } message;
    int id = msgget(which, 0);
    if (id == -1)
        return errno;
    return msgrcv(id, &message, sizeof message.text, 0, IPC_NOWAIT | MSG_NOERROR) == -1 ? errno : 0;
}

static int mark_memory(const char *which, const char *mark)
{
    int fd = shm_open(which, O_RDWR, 0);
    if (fd == -1)
        return errno;
    int error = pwrite(fd, mark, strlen(mark), 0) == -1 ? errno : 0;
    return close(fd) == -1 ? errno : error;
}

/* Keys are told in hexadecimal. What the controller could not plant, it does not name. */
static void run_host(void)
{
    const char *segment = getenv("ISOLAB_CANARY_SEGMENT"), *queue = getenv("ISOLAB_CANARY_QUEUE");
    const char *memory = getenv("ISOLAB_CANARY_SHM"), *mark = getenv("ISOLAB_CANARY_MARK");
    if (mark == NULL)
        mark = "marked";
    printf("{\"host_segment\": \"%s\", ",
           segment ? verdict(mark_segment((key_t)strtoul(segment, NULL, 16), mark)) : "not planted");
    printf("\"host_queue\": \"%s\", ",
           queue ? verdict(empty_queue((key_t)strtoul(queue, NULL, 16))) : "not planted");
    printf("\"host_posix_memory\": \"%s\"}\n",
           memory ? verdict(mark_memory(memory, mark)) : "not planted");
}

int main(int argc, char *argv[])
{
    const char *tag = getenv("ISOLAB_TAG");
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    owner = getpid();
    int length = snprintf(name, sizeof name, "/isolab-seen-%s", tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= (int)sizeof name) {
        fprintf(stderr, "ISOLAB_TAG is too long\n");
        return 1;
    }
    key = key_of(name);
    if (strcmp(what, "create") == 0) {
        run_create();
    } else if (strcmp(what, "other") == 0) {
        run_other();
    } else if (strcmp(what, "apart") == 0) {
        run_apart();
    } else if (strcmp(what, "host") == 0) {
        run_host();
    } else if (strcmp(what, "remove") == 0) {
        clean_up();
    } else {
        fprintf(stderr, "usage: %s create | other | apart | host | remove\n", argv[0]);
        return 1;
    }
    return 0;
}
