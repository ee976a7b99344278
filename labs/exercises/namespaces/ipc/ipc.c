/*
 * Message queues of one's own: an IPC namespace, ipc_namespaces(7).
 *
 * Shown: a System V and a POSIX message queue can be found by another process, but not from
 * another IPC namespace, where the same key and name are free to be used; POSIX shared memory can,
 * for it is a file in /dev/shm and so a matter of the mount namespace.
 *
 * Man pages: sysvipc(7), mq_overview(7), shm_overview(7), user_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 128 };

static char name[NAME_SIZE]; /* of the POSIX objects */
static key_t key;            /* of the System V queue */

/* What was found; each is 0 or an errno. */
struct found {
    int sysv;
    int posix;
    int memory;
};

struct report {
    int unshare;
    struct found seen;
    struct found made; /* made anew, with the same names; `memory` is not tried */
    int held;          /* a message by the POSIX queue that was open before */
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EEXIST: return "blocked (EEXIST)";
    case EINVAL: return "blocked (EINVAL)";
    case EMFILE: return "blocked (EMFILE)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another errno)";
    }
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

/* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
static void send_report(int out, const struct report *report)
{
    if (write(out, report, sizeof *report) != (ssize_t)sizeof *report)
        die("write");
}

static void receive_report(int in, struct report *report)
{
    ssize_t got;
    do
        got = read(in, report, sizeof *report);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof *report)
        _exit(1); /* the child said why on stderr */
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        die(path);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die(path);
    close(fd);
}

/* We are root inside and who we were outside: user_namespaces(7), "Defining user ... mappings". */
static void become_root_inside(uid_t uid, gid_t gid)
{
    char map[32];
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
    write_file("/proc/self/gid_map", map);
}

/* A name that is ours alone, and a key made of it: FNV-1a. 0 would be IPC_PRIVATE. */
static void choose_names(void)
{
    const char *tag = getenv("ISOLAB_TAG");
    uint32_t hash = 2166136261U;
    snprintf(name, sizeof name, "/isolab-%s", tag != NULL ? tag : "by-hand");
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    key = (key_t)((hash & 0x7fffffff) | 1);
}

/* Small: what a user's queues could hold counts against RLIMIT_MSGQUEUE, getrlimit(2). */
static int try_queue(int flags)
{
    struct mq_attr size = {.mq_maxmsg = 1, .mq_msgsize = 16};
    mqd_t queue = mq_open(name, O_RDONLY | O_CLOEXEC | flags, 0600, &size);
    if (queue == (mqd_t)-1)
        return errno;
    mq_close(queue);
    return 0;
}

/* A message there and back, by a descriptor: it has no need of a name. */
static int try_held_queue(mqd_t queue)
{
    char message[16];
    if (mq_send(queue, "x", 1, 0) == -1 ||
        mq_receive(queue, message, sizeof message, NULL) == -1)
        return errno;
    return 0;
}

static int try_memory(int flags)
{
    int fd = shm_open(name, O_RDWR | flags, 0600);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

static struct found look(void)
{
    struct found found = {
        .sysv = msgget(key, 0) == -1 ? errno : 0,
        .posix = try_queue(0),
        .memory = try_memory(0),
    };
    return found;
}

static struct found make_queues(void)
{
    struct found made = {
        .sysv = msgget(key, IPC_CREAT | IPC_EXCL | 0600) == -1 ? errno : 0,
        .posix = try_queue(O_CREAT | O_EXCL),
    };
    return made;
}

static void remove_all(struct found made)
{
    int id = made.sysv == 0 ? msgget(key, 0) : -1;
    if (id != -1 && msgctl(id, IPC_RMID, NULL) == -1)
        die("msgctl");
    /* Also one we were refused: Landlock says no to the new queue's file when it is there already. */
    if (mq_unlink(name) == -1 && made.posix == 0)
        die("mq_unlink");
    if (made.memory == 0 && shm_unlink(name) == -1)
        die("shm_unlink");
}

/* What is made inside needs no removing: it ends with the namespace. */
static _Noreturn void be_inside(int out)
{
    struct report report = {0};
    uid_t uid = getuid();
    gid_t gid = getgid();
    mqd_t held = mq_open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int not_held = held == (mqd_t)-1 ? errno : 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) == -1) {
        report.unshare = errno;
    } else {
        become_root_inside(uid, gid); /* a new queue is a file, whose owner must have a number */
        report.seen = look();
        report.made = make_queues();
        report.held = not_held != 0 ? not_held : try_held_queue(held);
    }
    send_report(out, &report);
    _exit(0);
}

/* In a child: unshare() cannot be undone. */
static struct report look_from_inside(void)
{
    struct report report;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        be_inside(ends[1]);
    }
    close(ends[1]);
    receive_report(ends[0], &report);
    close(ends[0]);
    wait_for(pid);
    return report;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    choose_names();
    struct found made = make_queues();
    made.memory = try_memory(O_CREAT | O_EXCL);
    struct found outside = look();
    struct report inside = look_from_inside();
    remove_all(made);

    printf("{\"sysv_outside\": \"%s\", ", verdict(outside.sysv));
    printf("\"posix_outside\": \"%s\", ", verdict(outside.posix));
    printf("\"memory_outside\": \"%s\", ", verdict(outside.memory));
    if (inside.unshare == 0) {
        printf("\"sysv_inside\": \"%s\", ", verdict(inside.seen.sysv));
        printf("\"posix_inside\": \"%s\", ", verdict(inside.seen.posix));
        printf("\"held_inside\": \"%s\", ", verdict(inside.held));
        printf("\"memory_inside\": \"%s\", ", verdict(inside.seen.memory));
        printf("\"same_key_inside\": \"%s\", ", verdict(inside.made.sysv));
        printf("\"same_name_inside\": \"%s\", ", verdict(inside.made.posix));
    }
    printf("\"unshare\": \"%s\"}\n", verdict(inside.unshare));
    return 0;
}
