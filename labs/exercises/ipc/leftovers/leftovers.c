/*
 * A process makes one of everything and is killed. What stays in the system, and what goes with it?
 *
 * What is only a descriptor goes when the last one closes; what has a name in a file system or a
 * System V number stays until somebody removes it. The parent looks, and then cleans up.
 *
 * Man pages: pipe(7), fifo(7), unix(7), shm_overview(7), mq_overview(7), sem_overview(7), sysvipc(7),
 * flock(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 96 };

static const char FIFO_NAME[] = "left.fifo";
static const char SOCKET_NAME[] = "left.socket";
static const char LOCK_NAME[] = "left.lock";

static char memory_name[NAME_SIZE]; /* for shared memory, semaphore, queue and abstract socket */
static char semaphore_name[NAME_SIZE];
static key_t key;
static int queue_error; /* why there can be no POSIX queue, or 0 */
static pid_t owner;

static void clean_up(void)
{
    int id;
    unlink(FIFO_NAME);
    unlink(SOCKET_NAME);
    unlink(LOCK_NAME);
    shm_unlink(memory_name);
    sem_unlink(semaphore_name);
    mq_unlink(memory_name);
    if ((id = shmget(key, 0, 0)) != -1)
        shmctl(id, IPC_RMID, NULL);
    if ((id = msgget(key, 0)) != -1)
        msgctl(id, IPC_RMID, NULL);
    if ((id = semget(key, 0, 0)) != -1)
        semctl(id, 0, IPC_RMID);
}

/* Names outlive processes: whoever fails takes them away first. */
static _Noreturn void die(const char *what)
{
    perror(what);
    if (getpid() == owner)
        clean_up();
    _exit(1);
}

/* A System V key is only a number: FNV-1a turns the tag into one, never 0 (IPC_PRIVATE). */
static key_t key_of(const char *tag)
{
    uint32_t hash = 2166136261u;
    for (; *tag != '\0'; tag++)
        hash = (hash ^ (unsigned char)*tag) * 16777619u;
    return (key_t)(hash & 0x7fffffffu) + (hash % 0x80000000u == 0);
}

static void close_fd(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static void must(int result, const char *what)
{
    if (result == -1)
        die(what);
}

/* Binds a new socket to the path, or to the abstract name, which begins with a NUL: unix(7). */
static int bind_socket(const char *name, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name), offset = abstract ? 1 : 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd, "socket");
    memcpy(address.sun_path + offset, name, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + offset + length);
    if (bind(fd, (const struct sockaddr *)&address, abstract ? size : sizeof address) == -1) {
        int error = errno;
        close_fd(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* A sandbox may forbid queues. A refused queue may have been made all the same: it is unlinked. */
static int try_queue(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    mqd_t queue = mq_open(memory_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    int error = queue == (mqd_t)-1 ? errno : 0;
    if (queue != (mqd_t)-1)
        mq_close(queue);
    mq_unlink(memory_name);
    return error;
}

/* Everything is made with O_EXCL or its like, so that nothing found later can be older. */
static void make_named(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    must(mkfifo(FIFO_NAME, 0600), "mkfifo");
    must(listen(bind_socket(SOCKET_NAME, false), 1), "listen");
    must(bind_socket(memory_name, true), "bind");
    must(shm_open(memory_name, O_RDWR | O_CREAT | O_EXCL, 0600), "shm_open");
    if (queue_error == 0)
        must(mq_open(memory_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes), "mq_open");
    if (sem_open(semaphore_name, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED)
        die("sem_open");
    must(shmget(key, 1, IPC_CREAT | IPC_EXCL | 0600), "shmget");
    must(msgget(key, IPC_CREAT | IPC_EXCL | 0600), "msgget");
    must(semget(key, 1, IPC_CREAT | IPC_EXCL | 0600), "semget");
    int lock = open(LOCK_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(lock, LOCK_NAME);
    must(flock(lock, LOCK_EX), "flock");
}

/* A child makes all this and is killed; `pipe_end` and `pair_end` are its ends. */
static void make_and_die(int pipe_end, int pair_end)
{
    int status;
    pid_t child = fork();
    must(child, "fork");
    if (child == 0) {
        make_named();
        raise(SIGKILL);
        _exit(1);
    }
    close_fd(pipe_end);
    close_fd(pair_end);
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        errno = ECHILD;
        die("the child was not killed");
    }
}

static void show(const char *what, bool stays)
{
    printf("\"%s\": \"%s\", ", what, stays ? "stays" : "gone");
}

/* At the end of the stream there is nobody left: the other end is gone. */
static bool has_writer(int fd)
{
    char byte;
    ssize_t n = read(fd, &byte, 1);
    must((int)n, "read");
    close_fd(fd);
    return n != 0;
}

static bool can_be_bound(const char *name)
{
    int fd = bind_socket(name, true);
    if (fd != -1)
        close_fd(fd);
    return fd != -1;
}

static bool still_locked(void)
{
    int fd = open(LOCK_NAME, O_RDWR | O_CLOEXEC);
    must(fd, LOCK_NAME);
    bool locked = flock(fd, LOCK_EX | LOCK_NB) == -1;
    close_fd(fd);
    return locked;
}

static bool opened(int fd)
{
    if (fd != -1)
        close_fd(fd);
    return fd != -1;
}

/* The socket's file is there, but nobody listens. */
static const char *connect_to_leftover(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd, "socket");
    memcpy(address.sun_path, SOCKET_NAME, sizeof SOCKET_NAME);
    int error = connect(fd, (const struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
    close_fd(fd);
    return error == ECONNREFUSED ? "blocked (ECONNREFUSED)" : error == 0 ? "allowed" : "another error";
}

static void show_all(int pipe_end, int pair_end)
{
    sem_t *semaphore = sem_open(semaphore_name, 0);
    printf("{");
    show("pipe", has_writer(pipe_end));
    show("socket_pair", has_writer(pair_end));
    show("abstract_name", !can_be_bound(memory_name));
    show("file_lock", still_locked());
    show("fifo", access(FIFO_NAME, F_OK) == 0);
    show("socket_file", access(SOCKET_NAME, F_OK) == 0);
    show("posix_memory", opened(shm_open(memory_name, O_RDWR, 0)));
    if (queue_error == 0)
        show("posix_queue", opened(mq_open(memory_name, O_RDWR)));
    else
        printf("\"posix_queue\": \"%s\", ",
               queue_error == EACCES ? "blocked (EACCES)" : "blocked (another error)");
    show("posix_semaphore", semaphore != SEM_FAILED);
    show("sysv_segment", shmget(key, 0, 0) != -1);
    show("sysv_queue", msgget(key, 0) != -1);
    show("sysv_semaphore", semget(key, 0, 0) != -1);
    show("lock_file", access(LOCK_NAME, F_OK) == 0);
    printf("\"connect_to_socket_file\": \"%s\", ", connect_to_leftover());
    if (semaphore != SEM_FAILED)
        must(sem_close(semaphore), "sem_close");
}

int main(void)
{
    int pipe_ends[2], pair_ends[2];
    const char *tag = getenv("ISOLAB_TAG");
    if (tag == NULL || strlen(tag) > NAME_SIZE / 2)
        tag = "by-hand";
    snprintf(memory_name, sizeof memory_name, "/isolab-left-%s", tag);
    snprintf(semaphore_name, sizeof semaphore_name, "/isolab-left-sem-%s", tag);
    key = key_of(memory_name);
    owner = getpid();
    queue_error = try_queue();
    must(pipe2(pipe_ends, O_CLOEXEC), "pipe2");
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_ends), "socketpair");
    make_and_die(pipe_ends[1], pair_ends[1]);
    show_all(pipe_ends[0], pair_ends[0]);
    clean_up();
    printf("\"segment_after_cleaning\": \"%s\"}\n", shmget(key, 0, 0) == -1 ? "gone" : "stays");
    return 0;
}
