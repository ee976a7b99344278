/*
 * A gift nobody asked for: whoever may send a message over a UNIX socket may send open descriptors with it, and
 * they count for the receiver.
 *
 * Shown: a receiver that has room for descriptors and does not close them can open no file any more; one that
 * has no room loses nothing, for the kernel closes them (MSG_CTRUNC); one that closes what it did not ask for
 * neither. And who sends descriptors that nobody takes is stopped by a limit of its own user.
 *
 * Man pages: unix(7) (SCM_RIGHTS), recvmsg(2) (MSG_CTRUNC), cmsg(3), getrlimit(2) (RLIMIT_NOFILE).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "../attack.h"

enum { LIMIT = 64, AT_ONCE = 10, MESSAGES = 8 };
enum care { KEEPS, HAS_NO_ROOM, CLOSES };

union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(AT_ONCE * sizeof(int))];
};

/* As many descriptors of one and the same file as go with a message; 0 or an errno. */
static int send_gift(int socket, int file)
{
    union control control;
    int gift[AT_ONCE];
    char byte = 'g';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    for (int i = 0; i < AT_ONCE; i++)
        gift[i] = file;
    memset(&control, 0, sizeof control);
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof gift);
    memcpy(CMSG_DATA(header), gift, sizeof gift);
    return sendmsg(socket, &message, MSG_DONTWAIT) == -1 ? errno : 0;
}

/* True if some of a message's descriptors were dropped for want of room. */
static bool take(int socket, enum care care)
{
    union control control;
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (care != HAS_NO_ROOM) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
    }
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
        die("recvmsg");
    struct cmsghdr *header = care == CLOSES ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
    return (message.msg_flags & MSG_CTRUNC) != 0;
}

static void limit_descriptors(void)
{
    struct rlimit few = {LIMIT, LIMIT};
    if (setrlimit(RLIMIT_NOFILE, &few) == -1)
        die("setrlimit");
}

/* A service with few descriptors takes what comes, and then has to open a file. */
static _Noreturn void serve(int socket, int answer, enum care care)
{
    bool dropped = false;
    limit_descriptors();
    for (int i = 0; i < MESSAGES; i++)
        dropped = take(socket, care) || dropped;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int seen[2] = {fd == -1 ? errno : 0, dropped};
    if (write(answer, seen, sizeof seen) != (ssize_t)sizeof seen)
        die("write");
    _exit(0);
}

/* 0 or the errno of open(2) in the service, and whether the kernel dropped descriptors. */
static void flood(enum care care, int seen[2])
{
    int ends[2], answer[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (file == -1 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1 ||
        pipe2(answer, O_CLOEXEC) == -1)
        die("setting up");
    pid_t service = start_child();
    if (service == 0) {
        close(ends[0]);
        serve(ends[1], answer[1], care);
    }
    close(ends[1]);
    close(answer[1]);
    for (int i = 0; i < MESSAGES; i++) {
        int error = send_gift(ends[0], file);
        if (error != 0) {
            errno = error;
            die("sendmsg");
        }
    }
    if (read(answer[0], seen, 2 * sizeof *seen) != (ssize_t)(2 * sizeof *seen))
        die("the service");
    wait_for(service);
    close(ends[0]);
    close(answer[0]);
    close(file);
}

/* Nobody takes anything. In a child, for its limit. */
static const char *pile_up(void)
{
    int ends[2], error = 0;
    pid_t child = start_child();
    if (child != 0)
        return verdict(WEXITSTATUS(wait_for(child)));
    limit_descriptors();
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (file == -1 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
        die("setting up");
    for (int i = 0; i < 4 * LIMIT / AT_ONCE && error == 0; i++)
        error = send_gift(ends[0], file);
    _exit(error);
}

int main(void)
{
    int keeps[2], no_room[2], closes[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    flood(KEEPS, keeps);
    flood(HAS_NO_ROOM, no_room);
    flood(CLOSES, closes);
    printf("{\"keeps\": \"%s\", \"keeps_dropped\": %s, ", verdict(keeps[0]), json_bool(keeps[1]));
    printf("\"no_room\": \"%s\", \"no_room_dropped\": %s, ", verdict(no_room[0]), json_bool(no_room[1]));
    printf("\"closes\": \"%s\", \"closes_dropped\": %s, ", verdict(closes[0]), json_bool(closes[1]));
    printf("\"sender\": \"%s\"}\n", pile_up());
    return 0;
}
