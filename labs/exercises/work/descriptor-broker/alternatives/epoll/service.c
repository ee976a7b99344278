/*
 * Another design: epoll(7), and the ids by setgid(2) and setuid(2), which change all three of them as long as the process
 * is root.
 *
 * A broker of descriptors: opens files as root, gives up being root, and hands the open files to
 * whoever is entitled.
 *
 *   service SOCKET POLICY UID GID
 *
 * A line of POLICY is NAME PATH UID: that user may have that file under that name. A client connects
 * to SOCKET (SOCK_SEQPACKET), sends one message, a name, and gets "yes" with a descriptor or "no".
 * The broker runs until its standard input ends.
 *
 * Man pages: unix(7), cmsg(3), setgroups(2), setgid(2), setuid(2), credentials(7), epoll(7).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAILED = 125, NAME_SIZE = 32, PATH_SIZE = 256, MAX_RIGHTS = 32, MAX_CLIENTS = 16, BACKLOG = 64 };

struct right {
    char name[NAME_SIZE];
    uid_t uid;
    int fd;
};

static struct right rights[MAX_RIGHTS];
static size_t right_count;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(FAILED);
}

static unsigned long number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value == 0 || value >= 0xffffffffUL) {
        fprintf(stderr, "%s: no number of an ordinary user or group\n", text);
        exit(FAILED);
    }
    return value;
}

/* As root: what is opened here is what can be handed out later. For reading, and no more. */
static void open_files(const char *policy)
{
    char line[NAME_SIZE + PATH_SIZE + 16], path[PATH_SIZE];
    unsigned uid;
    FILE *file = fopen(policy, "re");
    if (file == NULL)
        die(policy);
    while (fgets(line, sizeof line, file) != NULL && right_count < MAX_RIGHTS) {
        struct right *next = &rights[right_count];
        if (sscanf(line, "%31s %255s %u", next->name, path, &uid) != 3)
            continue;
        next->uid = (uid_t)uid;
        next->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (next->fd == -1)
            die(path);
        right_count++;
    }
    fclose(file);
}

/* Everybody may connect: who gets something is decided by what the kernel says of him. */
static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die(path);
    }
    strcpy(address.sun_path, path);
    if (listener == -1 || bind(listener, (struct sockaddr *)&address, sizeof address) == -1 ||
        chmod(path, 0666) == -1 || listen(listener, BACKLOG) == -1)
        die(path);
    return listener;
}

/*
 * Groups first, then the group, the user last: each step needs what the next one takes away. For root
 * setuid(2) sets real, effective and saved id; for others it would set the effective one only.
 */
static void become(uid_t uid, gid_t gid)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    if (geteuid() != 0 || setgroups(0, NULL) == -1 || setgid(gid) == -1 || setuid(uid) == -1)
        die("giving up root");
    if (getresuid(&r, &e, &s) == -1 || getresgid(&rg, &eg, &sg) == -1)
        die("getresuid");
    bool given_up = r == uid && e == uid && s == uid && rg == gid && eg == gid && sg == gid &&
                    getgroups(0, NULL) == 0;
    if (!given_up || seteuid(0) == 0 || setegid(0) == 0) {
        fprintf(stderr, "still root, in part\n");
        exit(FAILED);
    }
}

/* The descriptor for a name and a user; -1 if he is not entitled to it, or there is no such name. */
static int entitled(const char *name, size_t length, uid_t uid)
{
    for (size_t i = 0; i < right_count; i++)
        if (rights[i].uid == uid && strlen(rights[i].name) == length &&
            memcmp(rights[i].name, name, length) == 0)
            return rights[i].fd;
    return -1;
}

/* To a client that may have gone, or may not read: both are its own business. */
static void answer(int client, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char yes[] = "yes", no[] = "no";
    struct iovec part = {.iov_base = fd == -1 ? no : yes, .iov_len = fd == -1 ? 2 : 3};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd != -1) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    if (sendmsg(client, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
        perror("an answer");
}

/* One message, one answer. Who it is, is what the kernel noted at connect(2). */
static void serve(int client)
{
    char name[NAME_SIZE];
    struct ucred peer;
    socklen_t size = sizeof peer;
    /* MSG_TRUNC gives the true length. Descriptors that come along find no room and are closed. */
    ssize_t length = recv(client, name, sizeof name, MSG_DONTWAIT | MSG_TRUNC);
    if (length <= 0)
        return;
    int fd = -1;
    if ((size_t)length < sizeof name &&
        getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        fd = entitled(name, (size_t)length, peer.uid);
    answer(client, fd);
}

static void watch(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == -1)
        die("epoll_ctl");
}

/* True if there is one client more. */
static bool take_client(int set, int listener)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client != -1)
        watch(set, client);
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        die("accept4");
    return client != -1;
}

/* Nobody is waited for. While there is no room for another client, the listener is not watched. */
static void serve_all(int listener)
{
    int clients = 0, set = epoll_create1(EPOLL_CLOEXEC);
    if (set == -1)
        die("epoll_create1");
    watch(set, STDIN_FILENO);
    watch(set, listener);
    for (;;) {
        struct epoll_event event;
        int count = epoll_wait(set, &event, 1, -1);
        if (count == -1 && errno != EINTR)
            die("epoll_wait");
        if (count < 1)
            continue;
        if (event.data.fd == STDIN_FILENO)
            return;
        if (event.data.fd == listener) {
            if (take_client(set, listener) && ++clients == MAX_CLIENTS)
                epoll_ctl(set, EPOLL_CTL_DEL, listener, NULL);
            continue;
        }
        serve(event.data.fd);
        close(event.data.fd);
        if (clients-- == MAX_CLIENTS)
            watch(set, listener);
    }
}

int main(int argc, char *argv[])
{
    if (argc != 5) {
        fprintf(stderr, "usage: service SOCKET POLICY UID GID\n");
        return FAILED;
    }
    uid_t uid = (uid_t)number(argv[3]);
    gid_t gid = (gid_t)number(argv[4]);
    /* What whoever started us had open is nothing that a broker should hold. */
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == -1)
        die("close_range");
    open_files(argv[2]);
    int listener = listen_at(argv[1]);
    become(uid, gid);
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("standard output");
    serve_all(listener);
    return 0;
}
