/*
 * A second opinion: a seccomp filter that asks another process (SECCOMP_RET_USER_NOTIF). The filter sees a pointer to a
 * name; the supervisor can read the name. But names in memory can be changed after they were read.
 *
 * The target opens the file whose name is in memory that it shares with an accomplice, as with a second thread. The
 * supervisor refuses "secret". Here it waits for the accomplice between reading and deciding, so the race is always won.
 *
 * Shown: "secret" is refused, "public" is allowed; after an exchange the supervisor's "go on" (CONTINUE) opens the secret.
 * The cure: the supervisor opens what it has judged, and gives the descriptor (SECCOMP_IOCTL_NOTIF_ADDFD).
 *
 * Man pages: seccomp_unotify(2), seccomp(2), unix(7) (SCM_RIGHTS), ioctl(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../attack.h"

enum { NAME_SIZE = 32 };
enum how { GOES_ON, OPENS_ITSELF };

static char *name; /* shared by target, accomplice and supervisor */

static void make_file(const char *path, const char *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, content, 1) != 1 || close(fd) == -1)
        die(path);
}

static void send_descriptor(int socket, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {.iov_base = "f", .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    if (sendmsg(socket, &message, 0) != 1)
        die("sendmsg");
}

/* -1 if there came none. */
static int receive_descriptor(int socket)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    int fd = -1;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && message.msg_controllen >= CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

/* openat is asked about, everything else allowed: it is the question that is shown, not a whole filter. */
static int install_filter(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("no_new_privs");
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* What the target got: a letter of the file, or an errno. */
struct got {
    int error;
    char letter;
};

static _Noreturn void be_target(int socket, int report)
{
    struct got got = {0};
    int listener = install_filter();
    if (listener == -1) {
        got.error = errno;
        if (write(report, &got, sizeof got) != (ssize_t)sizeof got)
            die("write");
        _exit(1);
    }
    send_descriptor(socket, listener);
    close(listener);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        got.error = errno;
    else if (read(fd, &got.letter, 1) != 1)
        die("read");
    if (write(report, &got, sizeof got) != (ssize_t)sizeof got)
        die("write");
    _exit(0);
}

/*
 * The supervisor's look into the target's memory: here that is shared with us, at the same address. Elsewhere one reads
 * /proc/PID/mem; the time between reading and deciding is the same.
 */
static void read_name(uint64_t address, char copy[NAME_SIZE])
{
    memcpy(copy, (const char *)(uintptr_t)address, NAME_SIZE);
    copy[NAME_SIZE - 1] = '\0';
}

static void answer(int listener, uint64_t id, const char *judged, enum how how)
{
    struct seccomp_notif_resp response = {.id = id};
    if (strcmp(judged, "public") != 0) {
        response.error = -EACCES;
    } else if (how == GOES_ON) {
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    } else {
        int fd = open(judged, O_RDONLY | O_CLOEXEC); /* our copy of the name */
        struct seccomp_notif_addfd gift = {.id = id, .srcfd = (uint32_t)fd, .newfd_flags = O_CLOEXEC};
        response.val = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &gift);
        if (fd == -1 || response.val == -1)
            die("SECCOMP_IOCTL_NOTIF_ADDFD");
        close(fd);
    }
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == -1)
        die("SECCOMP_IOCTL_NOTIF_SEND");
}

static void supervise(int listener, const char *exchange_for, enum how how)
{
    struct seccomp_notif question = {0};
    char copy[NAME_SIZE];
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) == -1)
        die("SECCOMP_IOCTL_NOTIF_RECV");
    read_name(question.data.args[1], copy);
    if (exchange_for != NULL)
        strcpy(name, exchange_for); /* the accomplice's part */
    answer(listener, question.id, copy, how);
}

/* One call of the target's. `exchange_for`: what is in its memory after it was judged; NULL: the same. */
static struct got ask(const char *for_what, const char *exchange_for, enum how how)
{
    int ends[2], report[2];
    struct got got;
    strcpy(name, for_what);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1 || pipe2(report, O_CLOEXEC) == -1)
        die("setting up");
    pid_t target = start_child();
    if (target == 0) {
        close(ends[0]);
        close(report[0]);
        be_target(ends[1], report[1]);
    }
    close(ends[1]);
    close(report[1]);
    int listener = receive_descriptor(ends[0]);
    if (listener != -1) {
        supervise(listener, exchange_for, how);
        close(listener);
    }
    if (read(report[0], &got, sizeof got) != (ssize_t)sizeof got)
        die("the target");
    wait_for(target);
    close(ends[0]);
    close(report[0]);
    return got;
}

static const char *in_words(struct got got)
{
    if (got.error != 0)
        return verdict(got.error);
    return got.letter == 's' ? "the secret" : "the public one";
}

int main(void)
{
    name = mmap(NULL, NAME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (name == MAP_FAILED)
        die("mmap");
    make_file("public", "p");
    make_file("secret", "s");
    printf("{\"public\": \"%s\", ", in_words(ask("public", NULL, GOES_ON)));
    fflush(stdout);
    printf("\"secret\": \"%s\", ", in_words(ask("secret", NULL, GOES_ON)));
    fflush(stdout);
    printf("\"exchanged\": \"%s\", ", in_words(ask("public", "secret", GOES_ON)));
    fflush(stdout);
    printf("\"public_given\": \"%s\", ", in_words(ask("public", NULL, OPENS_ITSELF)));
    fflush(stdout);
    printf("\"exchanged_given\": \"%s\"}\n", in_words(ask("public", "secret", OPENS_ITSELF)));
    return 0;
}
