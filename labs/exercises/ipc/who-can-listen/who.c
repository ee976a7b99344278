/*
 * Another user comes: which means of communication can he attach to?
 *
 *   who offer     as the owner: makes one of each kind, open to all (0666) and private (0600)
 *   who attach    as another user: tries to take each
 *   who clear     as the owner: removes what has to be removed
 *
 * Shown: everything with a name in the system has a mode, and the mode alone decides between users
 * of one machine: FIFO, socket file, POSIX shared memory, System V queue and segment. A socket
 * whose server has gone refuses only those whom the mode let through. Live connections and those
 * kinds that have no mode are the subject of who-can-connect.
 *
 * Man pages: fifo(7), unix(7), shm_open(3), shm_overview(7), sysvipc(7), msgget(2), shmget(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { OPEN = 0, PRIVATE = 1, KINDS = 2, NAME_SIZE = 128, TEXT_SIZE = 16, SEGMENT = 64 };

static const mode_t MODES[KINDS] = {0666, 0600};
static const char *const SUFFIXES[KINDS] = {"open", "private"};

/* The message of a System V queue: a type, then the text. */
struct letter {
    long type;
    char text[TEXT_SIZE];
};
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case ENOENT: return "blocked (ENOENT)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case ENOMSG: return "blocked (ENOMSG)";
    default: return "blocked (another error)";
    }
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static const char *tag(void)
{
    const char *given = getenv("ISOLAB_TAG");
    return given != NULL ? given : "by-hand";
}

static void name_for(int kind, const char *before, const char *after, char name[NAME_SIZE])
{
    if (snprintf(name, NAME_SIZE, "%s%s%s", before, SUFFIXES[kind], after) >= NAME_SIZE)
        die("name");
}

static void shm_name(int kind, char name[NAME_SIZE])
{
    char before[NAME_SIZE];
    if (snprintf(before, sizeof before, "/%s-", tag()) >= (int)sizeof before)
        die("ISOLAB_TAG");
    name_for(kind, before, "", name);
}

/* System V objects are named by numbers; this one is made from the run's tag (FNV-1a). */
static key_t key_for(int kind)
{
    uint32_t hash = 2166136261u + (uint32_t)kind;
    for (const char *c = tag(); *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return (key_t)((hash & 0x7ffffffe) | 1); /* never IPC_PRIVATE, which is 0 */
}

static struct sockaddr_un address_for(int kind)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s.sock", SUFFIXES[kind]);
    return address;
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

/* ---- the owner ---- */

static void offer_files(int kind)
{
    char name[NAME_SIZE];
    struct sockaddr_un address = address_for(kind);
    int fd = unix_socket();

    name_for(kind, "", ".fifo", name);
    if (mkfifo(name, MODES[kind]) == -1)
        die(name);
    /* The name stays when the socket is closed. */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1 ||
        chmod(address.sun_path, MODES[kind]) == -1)
        die("bind");
    close_end(fd);
}

static void offer_memory(int kind)
{
    char name[NAME_SIZE];

    shm_name(kind, name);
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, MODES[kind]);
    if (fd == -1)
        die(name);
    if (write(fd, "shared", 6) != 6)
        die("write");
    close_end(fd);
    if (shmget(key_for(kind), SEGMENT, IPC_CREAT | IPC_EXCL | (int)MODES[kind]) == -1)
        die("shmget");
}

static void offer_queue(int kind)
{
    struct letter letter = {.type = 1, .text = "for the owner"};
    int queue = msgget(key_for(kind), IPC_CREAT | IPC_EXCL | (int)MODES[kind]);
    if (queue == -1 || msgsnd(queue, &letter, sizeof letter.text, IPC_NOWAIT) == -1)
        die("msgget");
}

static void offer(void)
{
    umask(0);
    for (int kind = 0; kind < KINDS; kind++) {
        offer_files(kind);
        offer_memory(kind);
        offer_queue(kind);
    }
    printf("one of each kind, open and private\n");
}

/* ---- another user ---- */

static const char *take_fifo(int kind)
{
    char name[NAME_SIZE];
    name_for(kind, "", ".fifo", name);
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return verdict(errno);
    close_end(fd);
    return verdict(0);
}

/* Nobody listens any more. To be told so is to have been let through by the mode. */
static const char *call_socket(int kind)
{
    struct sockaddr_un address = address_for(kind);
    int fd = unix_socket();
    int error = connect(fd, (struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
    close_end(fd);
    return verdict(error == ECONNREFUSED ? 0 : error);
}

static const char *map_posix(int kind)
{
    char name[NAME_SIZE];
    shm_name(kind, name);
    int fd = shm_open(name, O_RDWR, 0);
    if (fd == -1)
        return verdict(errno);
    void *memory = mmap(NULL, 6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = memory == MAP_FAILED ? errno : 0;
    if (error == 0 && munmap(memory, 6) == -1)
        die("munmap");
    close_end(fd);
    return verdict(error);
}

static const char *attach_system_v(int kind)
{
    int segment = shmget(key_for(kind), 0, 0);
    void *memory = segment == -1 ? (void *)-1 : shmat(segment, NULL, 0);
    if (memory == (void *)-1)
        return verdict(errno);
    if (shmdt(memory) == -1)
        die("shmdt");
    return verdict(0);
}

/* To receive is to take the message away from whom it was for. */
static const char *steal_letter(int kind)
{
    struct letter letter;
    int queue = msgget(key_for(kind), 0);
    if (queue == -1 || msgrcv(queue, &letter, sizeof letter.text, 0, IPC_NOWAIT) == -1)
        return verdict(errno);
    return verdict(0);
}

static void attach(void)
{
    static const struct {
        const char *label, *keys[KINDS];
        const char *(*attempt)(int kind);
    } attempts[] = {
        {"FIFO", {"fifo_0666", "fifo_0600"}, take_fifo},
        {"socket file", {"socket_0666", "socket_0600"}, call_socket},
        {"POSIX shared memory", {"posix_memory_0666", "posix_memory_0600"}, map_posix},
        {"System V segment", {"system_v_memory_0666", "system_v_memory_0600"}, attach_system_v},
        {"System V queue", {"system_v_queue_0666", "system_v_queue_0600"}, steal_letter},
    };
    enum { COUNT = sizeof attempts / sizeof attempts[0] };
    const char *answers[COUNT][KINDS];

    for (int i = 0; i < COUNT; i++) {
        for (int kind = 0; kind < KINDS; kind++)
            answers[i][kind] = attempts[i].attempt(kind);
        printf("%s: open %s, private %s\n", attempts[i].label, answers[i][OPEN],
               answers[i][PRIVATE]);
    }
    for (int i = 0; i < COUNT; i++)
        printf("%s\"%s\": \"%s\", \"%s\": \"%s\"", i == 0 ? "{" : ", ", attempts[i].keys[OPEN],
               answers[i][OPEN], attempts[i].keys[PRIVATE], answers[i][PRIVATE]);
    printf("}\n");
}

/* ---- the owner again ---- */

static void clear(void)
{
    char name[NAME_SIZE];
    struct letter letter;
    int left = 0;

    for (int kind = 0; kind < KINDS; kind++) {
        int queue = msgget(key_for(kind), 0), segment = shmget(key_for(kind), 0, 0);
        if (queue != -1 && msgrcv(queue, &letter, sizeof letter.text, 0, IPC_NOWAIT) != -1)
            left++;
        if (queue == -1 || msgctl(queue, IPC_RMID, NULL) == -1)
            die("the queue");
        if (segment == -1 || shmctl(segment, IPC_RMID, NULL) == -1)
            die("the segment");
        shm_name(kind, name);
        if (shm_unlink(name) == -1)
            die(name);
    }
    printf("{\"letters_left\": %d}\n", left);
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (argc == 2 && strcmp(argv[1], "offer") == 0) {
        offer();
    } else if (argc == 2 && strcmp(argv[1], "attach") == 0) {
        attach();
    } else if (argc == 2 && strcmp(argv[1], "clear") == 0) {
        clear();
    } else {
        fprintf(stderr, "usage: %s offer | attach | clear\n", argv[0]);
        return 1;
    }
    return 0;
}
