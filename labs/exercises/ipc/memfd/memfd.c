/*
 * Memory passed by descriptor: a memfd is sealed, sent over a socket, and checked by the receiver.
 *
 * Shown: a sealed memfd can be neither written, shrunk, grown nor mapped for writing, by anybody,
 * its maker included; seals cannot be broken, and not be set while somebody could still write;
 * without seals the sender can pull the memory away under the receiver (SIGBUS).
 *
 * Man pages: memfd_create(2), fcntl(2) "File Sealing", unix(7) SCM_RIGHTS, mmap(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, LINK_SIZE = 128 };

static const char TEXT[] = "what I sent is what you read";

/* What the receiver says about what it got; small enough to be written in one piece. */
struct report {
    bool sealed;
    bool same_text;
    int map_error;
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
    case EACCES: return "blocked (EACCES)";
    case EBUSY: return "blocked (EBUSY)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another error)";
    }
}

static void close_fd(int fd)
{
    if (close(fd) == -1)
        die("close");
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

static int make_memory(void)
{
    int fd = memfd_create("isolab-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd == -1)
        die("memfd_create");
    if (write(fd, TEXT, sizeof TEXT) != (ssize_t)sizeof TEXT)
        die("write");
    return fd;
}

static int seal(int fd, int seals)
{
    return fcntl(fd, F_ADD_SEALS, seals) == -1 ? errno : 0;
}

/* Tries to map for writing: 0 or an errno. */
static int map_for_writing(int fd)
{
    void *memory = mmap(NULL, sizeof TEXT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return errno;
    if (munmap(memory, sizeof TEXT) == -1)
        die("munmap");
    return 0;
}

/* A descriptor travels beside at least one byte of data: unix(7). */
static void send_descriptor(int socket, int fd)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    char byte = '!';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(socket, &message, 0) != 1)
        die("sendmsg");
}

static int receive_descriptor(int socket)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    char byte;
    int fd;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    ssize_t n;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n == -1 && errno == EINTR);
    if (n != 1)
        die("recvmsg");
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) {
        errno = EBADMSG;
        die("no descriptor came");
    }
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

/* A careful receiver looks at the seals first: they say that nobody can change what it reads. */
static _Noreturn void be_receiver(int socket)
{
    int fd = receive_descriptor(socket);
    struct report report = {.sealed = fcntl(fd, F_GET_SEALS) == ALL_SEALS};
    report.map_error = map_for_writing(fd);
    const char *text = mmap(NULL, sizeof TEXT, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        die("mmap");
    report.same_text = memcmp(text, TEXT, sizeof TEXT) == 0;
    if (write(socket, &report, sizeof report) != (ssize_t)sizeof report)
        die("write");
    _exit(0);
}

static struct report send_to_child(int fd)
{
    int ends[2];
    struct report report;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    pid_t child = start_child();
    if (child == 0) {
        close_fd(ends[0]);
        close_fd(fd); /* the inherited one: it shall use what it is sent */
        be_receiver(ends[1]);
    }
    close_fd(ends[1]);
    send_descriptor(ends[0], fd);
    if (recv(ends[0], &report, sizeof report, MSG_WAITALL) != (ssize_t)sizeof report)
        die("recv");
    close_fd(ends[0]);
    if (reap(child) != 0)
        _exit(1); /* it said why on stderr */
    return report;
}

/* A reader has mapped an unsealed memfd; the sender cuts it to nothing. How does the reader end? */
static const char *reader_of_shrunk(void)
{
    int fd = make_memory();
    const char *text = mmap(NULL, sizeof TEXT, PROT_READ, MAP_SHARED, fd, 0);
    if (text == MAP_FAILED || ftruncate(fd, 0) == -1)
        die("unsealed memory");
    pid_t child = start_child();
    if (child == 0)
        _exit(*(const volatile char *)text == TEXT[0] ? 0 : 1);
    int status = reap(child);
    close_fd(fd);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGBUS ? "SIGBUS" : "another signal";
    return "alive";
}

/* F_SEAL_WRITE while somebody has the memory mapped for writing. */
static const char *seal_while_mapped(void)
{
    int fd = make_memory();
    void *memory = mmap(NULL, sizeof TEXT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    const char *answer = verdict(seal(fd, F_SEAL_WRITE));
    if (munmap(memory, sizeof TEXT) == -1)
        die("munmap");
    close_fd(fd);
    return answer;
}

static void show_link(int fd)
{
    char path[64], name[LINK_SIZE];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, name, sizeof name - 1);
    if (n == -1)
        die("readlink");
    name[n] = '\0';
    printf("\"link\": \"%s\", ", name);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    int fd = make_memory();
    int sealing = seal(fd, ALL_SEALS);
    struct report report = send_to_child(fd);
    printf("the receiver sees all seals: %s\n", json_bool(report.sealed));

    int write_error = pwrite(fd, "X", 1, 0) == -1 ? errno : 0;
    int shrink_error = ftruncate(fd, 0) == -1 ? errno : 0;
    int seal_error = seal(fd, F_SEAL_GROW);
    printf("{");
    show_link(fd);
    printf("\"sealing\": \"%s\", \"receiver_sees_seals\": %s, \"receiver_reads_text\": %s, ",
           verdict(sealing), json_bool(report.sealed), json_bool(report.same_text));
    printf("\"receiver_maps_for_writing\": \"%s\", \"maker_writes\": \"%s\", ",
           verdict(report.map_error), verdict(write_error));
    printf("\"maker_shrinks\": \"%s\", \"more_seals\": \"%s\", ", verdict(shrink_error),
           verdict(seal_error));
    printf("\"seal_while_mapped\": \"%s\", \"reader_of_shrunk\": \"%s\"}\n", seal_while_mapped(),
           reader_of_shrunk());
    close_fd(fd);
    return 0;
}
