/*
 * An open file travels through a socket.
 *
 * Shown: the receiver gets a descriptor for a file that it may not open (mode 0000) and even one
 * that has no name any more; it is the same open file description, with one offset for both; what
 * was opened for reading stays so; without room for the control message the descriptor is lost
 * and MSG_CTRUNC says so.
 *
 * Man pages: unix(7) (SCM_RIGHTS), cmsg(3), sendmsg(2), recvmsg(2), open(2), unlink(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char NAME[] = "secret.txt";
static const char SECRET[] = "for bearers only";
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
    case EPERM: return "blocked (EPERM)";
    case ENOENT: return "blocked (ENOENT)";
    case EBADF: return "blocked (EBADF)";
    default: return "blocked (another error)";
    }
}

static void close_end(int fd)
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

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static void expect_success(pid_t child)
{
    int status = wait_for(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "a child failed\n");
        _exit(1);
    }
}

/* Room for one descriptor, aligned as control messages have to be. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static void send_descriptor(int through, int fd)
{
    union control control;
    /* One byte of ordinary data has to go with it on a stream socket. */
    struct iovec part = {.iov_base = "f", .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&control, 0, sizeof control);
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(through, &message, MSG_NOSIGNAL) != 1)
        die("sendmsg");
}

/* The descriptor, or -1; `cut` tells whether the kernel had one and no room to put it. */
static int receive_descriptor(int through, bool room, bool *cut)
{
    union control control;
    char byte;
    int fd = -1;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    message.msg_control = room ? control.room : NULL;
    message.msg_controllen = room ? sizeof control.room : 0;
    if (recvmsg(through, &message, MSG_CMSG_CLOEXEC) != 1)
        die("recvmsg");
    *cut = (message.msg_flags & MSG_CTRUNC) != 0;
    struct cmsghdr *header = room ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static int try_open(const char *name, int access)
{
    int fd = open(name, access | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close_end(fd);
    return 0;
}

/* What the receiver found out, sent back in one piece. */
struct report {
    int open_by_name, open_nameless, write_through;
    bool read_secret, read_nameless, cut;
};

static bool reads(int fd, const char *expected, size_t size)
{
    char text[64];
    return read(fd, text, size) == (ssize_t)size && memcmp(text, expected, size) == 0;
}

static void wait_for_word(int through)
{
    char byte;
    if (read(through, &byte, 1) != 1)
        die("read");
}

static _Noreturn void receive_all(int through)
{
    struct report report;
    bool cut;

    memset(&report, 0, sizeof report);
    int fd = receive_descriptor(through, true, &cut);
    report.open_by_name = try_open(NAME, O_RDONLY);
    report.read_secret = reads(fd, SECRET, 4); /* "for ": the offset is 4 for both now */
    report.write_through = write(fd, "x", 1) == -1 ? errno : 0;
    if (write(through, "4", 1) != 1)
        die("write");
    close_end(fd);
    wait_for_word(through);
    report.open_nameless = try_open(NAME, O_RDONLY);
    fd = receive_descriptor(through, true, &cut);
    report.read_nameless = reads(fd, SECRET + 4, sizeof SECRET - 5);
    close_end(fd);
    receive_descriptor(through, false, &report.cut);
    if (write(through, &report, sizeof report) != (ssize_t)sizeof report)
        die("write");
    _exit(0);
}

static int make_secret(void)
{
    int fd = open(NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1)
        die(NAME);
    if (write(fd, SECRET, strlen(SECRET)) != (ssize_t)strlen(SECRET))
        die("write");
    close_end(fd);
    int readable = open(NAME, O_RDONLY | O_CLOEXEC);
    if (readable == -1 || chmod(NAME, 0) == -1)
        die(NAME);
    return readable;
}

int main(void)
{
    struct report report;
    int ends[2];
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    pid_t child = start_child(); /* before the file is opened: nothing is inherited */
    if (child == 0) {
        close_end(ends[0]);
        receive_all(ends[1]);
    }
    close_end(ends[1]);
    int secret = make_secret();
    send_descriptor(ends[0], secret);
    wait_for_word(ends[0]);
    bool shared_offset = lseek(secret, 0, SEEK_CUR) == 4;
    if (unlink(NAME) == -1 || write(ends[0], "u", 1) != 1)
        die(NAME);
    send_descriptor(ends[0], secret);
    send_descriptor(ends[0], secret);
    if (recv(ends[0], &report, sizeof report, MSG_WAITALL) != (ssize_t)sizeof report)
        die("the report");
    expect_success(child);
    close_end(secret);
    close_end(ends[0]);
    printf("opening it by name: %s; reading the descriptor: %s\n", verdict(report.open_by_name),
           json_bool(report.read_secret));

    printf("{\"open_by_name\": \"%s\", \"read_passed\": %s, ", verdict(report.open_by_name),
           json_bool(report.read_secret));
    printf("\"offset_shared\": %s, ", json_bool(shared_offset));
    printf("\"write_through\": \"%s\", ", verdict(report.write_through));
    printf("\"open_nameless\": \"%s\", \"read_nameless\": %s, ", verdict(report.open_nameless),
           json_bool(report.read_nameless));
    printf("\"lost_without_room\": %s}\n", json_bool(report.cut));
    return 0;
}
