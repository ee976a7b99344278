/*
 * Who is at the other end of a Unix-domain socket.
 *
 * Shown: SO_PEERCRED tells the process and user that connected, as the kernel knows them; of a
 * socket pair it tells who made the pair, not who uses the end now; SO_PASSCRED stamps every
 * message; a sender may name itself but not somebody else. Across a user namespace each side sees
 * the other translated: an id without a mapping appears as the overflow id.
 *
 * Man pages: unix(7), socket(7), user_namespaces(7), unshare(2), credentials(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char NAME[] = "who.sock";
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
    case EPERM: return "blocked (EPERM)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSYS: return "blocked (ENOSYS)";
    case ENOSPC: return "blocked (ENOSPC)";
    case EUSERS: return "blocked (EUSERS)";
    case EACCES: return "blocked (EACCES)";
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

static struct sockaddr_un address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, NAME);
    return address;
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

static struct ucred peer_of(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1)
        die("SO_PEERCRED");
    return peer;
}

/* What the child found out, sent over the very socket. */
struct report {
    int unshare_error;
    unsigned peer_uid;
};

static void say(int fd, struct report report)
{
    if (send(fd, &report, sizeof report, MSG_NOSIGNAL) != (ssize_t)sizeof report)
        die("send");
}

static struct report hear(int fd)
{
    struct report report;
    if (recv(fd, &report, sizeof report, MSG_WAITALL) != (ssize_t)sizeof report)
        die("recv");
    return report;
}

/* In `apart`, from a user namespace of its own, in which no id is mapped. */
static _Noreturn void call(bool apart)
{
    struct sockaddr_un there = address();
    struct report report = {0, 0};

    if (apart && unshare(CLONE_NEWUSER) == -1)
        report.unshare_error = errno;
    int fd = unix_socket();
    if (connect(fd, (struct sockaddr *)&there, sizeof there) == -1)
        die("connect");
    report.peer_uid = (unsigned)peer_of(fd).uid;
    say(fd, report);
    _exit(0);
}

struct caller {
    bool pid_right, uid_right; /* the caller, seen by the one that was called */
    struct report report;      /* the other way round */
};

static struct caller be_called(int listener, bool apart)
{
    struct caller caller;
    pid_t child = start_child();
    if (child == 0)
        call(apart);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        die("accept4");
    struct ucred peer = peer_of(fd);
    caller.pid_right = peer.pid == child;
    caller.uid_right = peer.uid == getuid();
    caller.report = hear(fd);
    close_end(fd);
    expect_success(child);
    return caller;
}

static int listen_here(void)
{
    struct sockaddr_un here = address();
    int fd = unix_socket();
    if (bind(fd, (struct sockaddr *)&here, sizeof here) == -1 || listen(fd, 4) == -1)
        die(NAME);
    return fd;
}

/* Room for one set of credentials, aligned as control messages have to be. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(struct ucred))];
};

static int send_as(int fd, struct ucred claimed)
{
    union control control;
    struct iovec part = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&control, 0, sizeof control);
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof claimed);
    memcpy(CMSG_DATA(header), &claimed, sizeof claimed);
    return sendmsg(fd, &message, MSG_NOSIGNAL) == -1 ? errno : 0;
}

/* The sender as the kernel stamped it; pid 0 when there was no stamp. */
static struct ucred stamped(int fd)
{
    union control control;
    char byte;
    struct ucred sender = {0, 0, 0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1)
        die("recvmsg");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
        memcpy(&sender, CMSG_DATA(header), sizeof sender);
    return sender;
}

struct pair {
    bool names_maker, stamp_names_sender;
    int as_self, as_root, as_init;
};

static struct pair try_pair(void)
{
    struct pair pair;
    struct ucred self = {getpid(), getuid(), getgid()}, claimed;
    int ends[2], yes = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) == -1)
        die("SO_PASSCRED");
    pid_t child = start_child();
    if (child == 0) { /* it says nothing about itself; the kernel does */
        close_end(ends[0]);
        _exit(send(ends[1], "x", 1, MSG_NOSIGNAL) == 1 ? 0 : 1);
    }
    pair.stamp_names_sender = stamped(ends[0]).pid == child;
    pair.names_maker = peer_of(ends[0]).pid == getpid();
    expect_success(child);
    pair.as_self = send_as(ends[1], self);
    claimed = self;
    claimed.uid = 0;
    pair.as_root = send_as(ends[1], claimed);
    claimed = self;
    claimed.pid = 1;
    pair.as_init = send_as(ends[1], claimed);
    close_end(ends[0]);
    close_end(ends[1]);
    return pair;
}

static void print_namespace(struct caller apart)
{
    printf("\"unshare\": \"%s\", ", verdict(apart.report.unshare_error));
    if (apart.report.unshare_error == 0)
        printf("\"outside_sees_real\": %s, \"inside_sees_uid\": %u}\n", json_bool(apart.uid_right),
               apart.report.peer_uid);
    else
        printf("\"outside_sees_real\": \"unavailable\", \"inside_sees_uid\": \"unavailable\"}\n");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    int listener = listen_here();
    struct caller plain = be_called(listener, false), apart = be_called(listener, true);
    close_end(listener);
    if (unlink(NAME) == -1)
        die(NAME);
    printf("who calls: process %s, user %s\n", plain.pid_right ? "right" : "wrong",
           plain.uid_right ? "right" : "wrong");
    struct pair pair = try_pair();
    printf("claiming to be oneself %s, root %s, process 1 %s\n", verdict(pair.as_self),
           verdict(pair.as_root), verdict(pair.as_init));

    printf("{\"peer_pid_right\": %s, ", json_bool(plain.pid_right));
    printf("\"peer_uid_right\": %s, ", json_bool(plain.uid_right));
    printf("\"pair_names_its_maker\": %s, ", json_bool(pair.names_maker));
    printf("\"stamp_names_sender\": %s, ", json_bool(pair.stamp_names_sender));
    printf("\"claim_self\": \"%s\", \"claim_root\": \"%s\", ", verdict(pair.as_self),
           verdict(pair.as_root));
    printf("\"claim_other_pid\": \"%s\", ", verdict(pair.as_init));
    print_namespace(apart);
    return 0;
}
