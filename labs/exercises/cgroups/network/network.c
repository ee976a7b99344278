/*
 * Which datagrams a group may send and receive: all but those to one port, and from another.
 *
 * In version 2 there is no file for it. Two small BPF programs are attached to the group, one is
 * asked about every packet that leaves and one about every packet that arrives. Shown with both:
 * a member is refused one port and not the next, its neighbour outside is refused nothing, and the
 * same member was not either before the programs were there. A packet belongs to the group in
 * which its socket was made, not to that of the process that sends.
 *
 * Runs as root. Man pages: cgroups(7), bpf(2), bpf-helpers(7), udp(7); the kernel's cgroup-v2.rst
 * and networking/filter.rst.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mntent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
    PATIENCE_S = 30, /* for a datagram that is to arrive, on the slowest machine */
    SOURCE_PORT = 20, /* where it is after an IPv4 header without options: RFC 768, RFC 791 */
    DESTINATION_PORT = 22,
};

/* What a member found. */
struct report {
    int before;  /* sending to the refused port while no program is attached: 0 or an errno */
    int refused; /* the same afterwards */
    int other;   /* to another port */
    int held;    /* to the refused port, by a socket that was made outside */
    char first;  /* what arrived first of two datagrams, of which one came from a refused port */
};

/* The sockets of all, made before there is a group; each bound to a port of its own. */
struct sockets {
    int refused; /* receives what the member may not send */
    int other;
    int held;
    int stranger; /* the member may not receive what this one sends */
    int friend;
};

static char group[PATH_SIZE];

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1); /* runs remove_group; children leave by _exit and do not */
}

static _Noreturn void die_in_child(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case ENOSYS: return "blocked (ENOSYS)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case EPERM: return "blocked (EPERM)";
    case EROFS: return "blocked (EROFS)";
    default: return "blocked (another errno)";
    }
}

/* A group can be removed when no process is left in it; the last may still be on its way out. */
static void remove_group(void)
{
    for (int try = 0; try < REMOVE_TRIES; try++) {
        if (rmdir(group) == 0)
            return;
        if (errno != EBUSY)
            break;
        usleep(10 * 1000);
    }
    perror(group);
}

/* The folder of a new group, below that of version 2, wherever it is mounted. */
static bool name_group(void)
{
    const char *tag = getenv("ISOLAB_TAG");
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *mount;
    bool found = false;
    if (mounts == NULL)
        die("/proc/self/mounts");
    while (!found && (mount = getmntent(mounts)) != NULL) {
        if (strcmp(mount->mnt_type, "cgroup2") != 0)
            continue;
        int length = snprintf(group, sizeof group, "%s/isolab-%s", mount->mnt_dir,
                              tag != NULL ? tag : "by-hand");
        found = length > 0 && length < PATH_SIZE;
    }
    endmntent(mounts);
    return found;
}

static const char *make_group(void)
{
    if (!name_group())
        return "unavailable (no cgroups of version 2)";
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    return "allowed";
}

/* A socket at 127.0.0.1, with a port that the kernel chooses. */
static int make_socket(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || bind(fd, (struct sockaddr *)&here, sizeof here) == -1)
        die("a socket at 127.0.0.1");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == -1)
        die("SO_RCVTIMEO");
    return fd;
}

static struct sockaddr_in address_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) == -1)
        die("getsockname");
    return address;
}

/* 0 or an errno. */
static int send_to(int fd, int receiver, char letter)
{
    struct sockaddr_in there = address_of(receiver);
    return sendto(fd, &letter, 1, 0, (struct sockaddr *)&there, sizeof there) == 1 ? 0 : errno;
}

/* The next letter that came; '-' where none did. */
static char receive(int fd, int flags)
{
    char letter;
    return recv(fd, &letter, 1, flags) == 1 ? letter : '-';
}

/*
 * The program: if (two bytes at `offset` of the packet are `port`) return 0; return 1;
 * The packet begins with its IPv4 header. Zero means no.
 */
static int load_program(int offset, in_port_t port)
{
    const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = offset},
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10}, /* the stack */
        {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -8},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = sizeof port},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_load_bytes}, /* register 1: the packet */
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .imm = 0, .off = 4}, /* too short */
        {.code = BPF_LDX | BPF_MEM | BPF_H, .dst_reg = 2, .src_reg = 10, .off = -8},
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = port, .off = 2},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
    attributes.insn_cnt = sizeof program / sizeof program[0];
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.license = (uint64_t)(uintptr_t)"GPL";
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

/* The group keeps the program after our descriptors are closed, until it is removed. */
static int attach(int program, enum bpf_attach_type direction)
{
    union bpf_attr attributes;
    int directory = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory == -1)
        die(group);
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)directory;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = direction;
    int result = (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes);
    int error = result == -1 ? errno : 0;
    close(directory);
    return error;
}

/* 0 or an errno. */
static int refuse(int offset, int socket, enum bpf_attach_type direction)
{
    int program = load_program(offset, address_of(socket).sin_port);
    if (program == -1)
        return errno;
    int error = attach(program, direction);
    close(program);
    return error;
}

static void enter(void)
{
    char path[PATH_SIZE + sizeof "/cgroup.procs"];
    snprintf(path, sizeof path, "%s/cgroup.procs", group);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1 || write(fd, "0", 1) != 1) /* 0 is the writer itself */
        die_in_child(path);
    close(fd);
}

/* Two steps, so that the parent can attach the programs and send in between. */
static _Noreturn void be_member(const struct sockets *all, int ask, int tell)
{
    struct report report = {.first = '-'};
    char go;

    enter();
    int own = make_socket();
    report.before = send_to(own, all->refused, 'b');
    struct sockaddr_in mine = address_of(own);
    if (write(tell, &mine, sizeof mine) != (ssize_t)sizeof mine || read(ask, &go, 1) != 1)
        die_in_child("the parent");
    report.refused = send_to(own, all->refused, 'r');
    report.other = send_to(own, all->other, 'o');
    report.held = send_to(all->held, all->refused, 'h');
    report.first = receive(own, 0);
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(tell, &report, sizeof report) != (ssize_t)sizeof report)
        die_in_child("the parent");
    _exit(0);
}

static void say(const char *name, const char *value)
{
    printf("\"%s\": \"%s\", ", name, value);
}

static void say_letters(const char *name, int fd)
{
    char letters[8] = "";
    size_t count = 0;
    /* What the member sent is there already: the kernel hands it over within sendto(2), or at
       the latest before what we send now, at 127.0.0.1 of one processor. */
    if (send_to(fd, fd, '.') != 0)
        die("a datagram to oneself");
    char letter = receive(fd, 0);
    while (letter != '.' && letter != '-' && count < sizeof letters - 1) {
        letters[count++] = letter;
        letter = receive(fd, 0);
    }
    say(name, letters);
}

/* Attach both programs, and send to the member, first what is refused. */
static int attach_both(const struct sockets *all, const struct sockaddr_in *member)
{
    int error = refuse(DESTINATION_PORT, all->refused, BPF_CGROUP_INET_EGRESS);
    if (error == 0)
        error = refuse(SOURCE_PORT, all->stranger, BPF_CGROUP_INET_INGRESS);
    say("programs", verdict(error));
    const struct sockaddr *there = (const struct sockaddr *)member;
    say("stranger", sendto(all->stranger, "s", 1, 0, there, sizeof *member) == 1 ? "allowed" : verdict(errno));
    if (sendto(all->friend, "f", 1, 0, there, sizeof *member) != 1)
        die("sendto the member");
    return error;
}

static void demonstrate(const struct sockets *all)
{
    struct report report;
    struct sockaddr_in member;
    int ask[2], tell[2];

    if (pipe2(ask, O_CLOEXEC) == -1 || pipe2(tell, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        close(ask[1]);
        close(tell[0]);
        be_member(all, ask[0], tell[1]);
    }
    close(ask[0]);
    close(tell[1]);
    if (read(tell[0], &member, sizeof member) != (ssize_t)sizeof member)
        exit(1); /* the child said why on stderr */
    attach_both(all, &member);
    if (write(ask[1], "g", 1) != 1 || read(tell[0], &report, sizeof report) != (ssize_t)sizeof report)
        exit(1);
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    say("before", verdict(report.before));
    say("refused", verdict(report.refused));
    say("other", verdict(report.other));
    say("held", verdict(report.held));
    say("outside", verdict(send_to(all->friend, all->refused, 'x')));
    say_letters("arrived_refused", all->refused);
    say_letters("arrived_other", all->other);
    printf("\"member_receives_first\": \"%c\", ", report.first);
}

int main(void)
{
    /* What is buffered at fork() is printed once, for children leave by _exit(). */
    struct sockets all = {make_socket(), make_socket(), make_socket(), make_socket(), make_socket()};
    const char *made = make_group();
    printf("{");
    if (strcmp(made, "allowed") == 0)
        demonstrate(&all);
    printf("\"group\": \"%s\"}\n", made);
    return 0;
}
