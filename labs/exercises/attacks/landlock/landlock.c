/*
 * Landlock: a process says which files, ports and other processes it will need, and gives up the rest, for good and
 * for its children. Unlike a seccomp filter it knows the objects, not the numbers of system calls.
 *
 * Shown: the folder that was named and another one; ways round (a link, a descriptor that was open before); TCP, which
 * is covered since version 4 of the interface, and UDP, which is not; signals, since version 6. Each attempt
 * before the confinement (the control) and after it.
 *
 *   public/page    the folder that is named, for reading
 *   private        not named
 *   public/link    -> ../private
 *
 * Man pages: landlock(7), landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2), prctl(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../attack.h"

/* As in linux/landlock.h, which is younger in some places than the kernel that runs. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, PATH_BENEATH = 1, VERSION = 1 };
enum { WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, CONNECT_TCP = 1 << 1, SCOPE_SIGNAL = 1 << 1 };
enum { SINCE_TCP = 4, SINCE_SCOPES = 6 };

struct ruleset {
    uint64_t files, network, scopes;
};

struct beneath {
    uint64_t access;
    int32_t folder;
} __attribute__((packed));

struct attempts {
    int page, private, link, write, open_before, child, tcp, udp, signal;
};

/* System call numbers are the same on all architectures but MIPS, whose tables begin elsewhere. */
static long number(int call)
{
#ifdef __NR_Linux
    return __NR_Linux + call;
#else
    return call;
#endif
}

static int open_it(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return error;
}

static int read_open(int fd)
{
    char byte;
    return pread(fd, &byte, 1, 0) == 1 ? 0 : errno;
}

static int in_child(void)
{
    pid_t child = start_child();
    if (child == 0)
        _exit(open_it("private", O_RDONLY));
    return WEXITSTATUS(wait_for(child));
}

/* TCP: whether a connection is made. UDP: whether a datagram is sent. Both to our own address. */
static int reach(int type, const struct sockaddr_in *there)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), error = 0;
    if (fd == -1)
        return errno;
    if (type == SOCK_STREAM)
        error = connect(fd, (const struct sockaddr *)there, sizeof *there) == -1 ? errno : 0;
    else if (sendto(fd, "x", 1, 0, (const struct sockaddr *)there, sizeof *there) == -1)
        error = errno;
    close(fd);
    return error;
}

static int listen_somewhere(struct sockaddr_in *there)
{
    socklen_t size = sizeof *there;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *there = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd == -1 || bind(fd, (struct sockaddr *)there, sizeof *there) == -1 || listen(fd, 4) == -1 ||
        getsockname(fd, (struct sockaddr *)there, &size) == -1)
        return -1; /* a sandbox may have no such sockets */
    return fd;
}

static struct attempts try_all(int open_before, const struct sockaddr_in *there)
{
    return (struct attempts){
        .page = open_it("public/page", O_RDONLY),
        .private = open_it("private", O_RDONLY),
        .link = open_it("public/link", O_RDONLY),
        .write = open_it("public/page", O_WRONLY),
        .open_before = read_open(open_before),
        .child = in_child(),
        .tcp = reach(SOCK_STREAM, there),
        .udp = reach(SOCK_DGRAM, there),
        .signal = kill(getppid(), 0) == -1 ? errno : 0,
    };
}

static int version(void)
{
    return (int)syscall(number(CREATE_RULESET), NULL, 0, VERSION);
}

/* 0 or an errno. What is handled and not named by a rule is refused. */
static int confine(int abi)
{
    struct ruleset wanted = {.files = READ_FILE | WRITE_FILE};
    size_t size = sizeof wanted.files;
    if (abi >= SINCE_TCP) {
        wanted.network = CONNECT_TCP;
        size += sizeof wanted.network;
    }
    if (abi >= SINCE_SCOPES) {
        wanted.scopes = SCOPE_SIGNAL;
        size += sizeof wanted.scopes;
    }
    int rules = (int)syscall(number(CREATE_RULESET), &wanted, size, 0);
    if (rules == -1)
        return errno;
    struct beneath public = {.access = READ_FILE, .folder = open("public", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (public.folder == -1 || syscall(number(ADD_RULE), rules, PATH_BENEATH, &public, 0) == -1)
        return errno;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return errno;
    return syscall(number(RESTRICT_SELF), rules, 0) == -1 ? errno : 0;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, "x", 1) != 1 || close(fd) == -1)
        die(path);
}

static void show(bool confined, const struct attempts *seen, int abi)
{
    const struct {
        const char *before, *after; /* what it is called before and after the confinement */
        int error, since;
    } rows[] = {
        {"page_before", "page_after", seen->page, 0},
        {"private_before", "private_after", seen->private, 0},
        {"link_before", "link_after", seen->link, 0},
        {"write_before", "write_after", seen->write, 0},
        {"open_before", "open_after", seen->open_before, 0},
        {"child_before", "child_after", seen->child, 0},
        {"tcp_before", "tcp_after", seen->tcp, SINCE_TCP},
        {"udp_before", "udp_after", seen->udp, 0},
        {"outside_before", "outside_after", seen->signal, SINCE_SCOPES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf(", \"%s\": \"%s\"", confined ? rows[i].after : rows[i].before,
               abi < rows[i].since ? "not covered here" : verdict(rows[i].error));
}

int main(void)
{
    struct sockaddr_in there;
    int abi = version();
    if (abi == -1) {
        printf("{\"landlock\": \"unavailable\"}\n");
        return 0;
    }
    /* Signals go to a process of ours that stays outside, not to whoever started us. */
    pid_t inside = start_child();
    if (inside != 0)
        return WEXITSTATUS(wait_for(inside));
    if (mkdir("public", 0700) == -1 && errno != EEXIST)
        die("public");
    make_file("public/page");
    make_file("private");
    if (symlink("../private", "public/link") == -1 && errno != EEXIST)
        die("public/link");
    int open_before = open("private", O_RDONLY | O_CLOEXEC), listener = listen_somewhere(&there);
    struct attempts before = try_all(open_before, &there);
    int error = confine(abi);
    struct attempts after = try_all(open_before, &there);
    printf("version %d of the interface\n", abi);
    printf("{\"landlock\": \"%s\"", verdict(error));
    show(false, &before, abi);
    show(true, &after, abi);
    printf("}\n");
    fflush(stdout);
    if (listener != -1)
        close(listener);
    _exit(0);
}
