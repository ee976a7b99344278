/*
 * Which devices a group may use: here all but /dev/zero, and that although its member is root.
 *
 * In version 2 there is no file for it. A small BPF program is attached to the group, and the
 * kernel asks it at every open(2) and mknod(2) of a device. In version 1 it was a list, changed by
 * writing to devices.deny. Shown with both: reading /dev/zero and making another node with its
 * numbers is refused in the group, /dev/null is not, and outside nothing changes.
 *
 * Also shown, where root cannot make a group: what the group of the container says to a node for
 * the kernel's messages. Runs as root. Man pages: cgroups(7), bpf(2), mknod(2), null(4); the
 * kernel's cgroup-v2.rst, "Device controller", cgroup-v1/devices.rst and ABI/testing/dev-kmsg.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mntent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
    MEMORY_DEVICES = 1, /* the major number of null, zero and kmsg: null(4) */
    NULL_MINOR = 3,
    ZERO_MINOR = 5,
    KMSG_MINOR = 11,
};

/* What a process found; each is 0 or an errno. */
struct report {
    int open_zero;
    int open_null;
    int mknod_zero;
    int mknod_null;
    int read_held; /* /dev/zero, opened before we were in the group */
};

static char root[PATH_SIZE]; /* where the hierarchy is mounted */
static char group[PATH_SIZE];

static int version; /* of the hierarchy: 1 or 2 */

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
    case EBUSY: return "blocked (EBUSY)";
    case EINVAL: return "blocked (EINVAL)";
    case EPERM: return "blocked (EPERM)";
    case EROFS: return "blocked (EROFS)";
    default: return "blocked (another errno)";
    }
}

static void path_in_group(char path[PATH_SIZE], const char *file)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", group, file);
    if (length < 0 || length >= PATH_SIZE) {
        errno = ENAMETOOLONG;
        die(file);
    }
}

/* Control files take one value per write(2). */
static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_in_group(const char *file, const char *text)
{
    char path[PATH_SIZE];
    path_in_group(path, file);
    return write_file(path, text);
}

/* Version 1 with its list of devices; else version 2. */
static bool find_hierarchy(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *mount;
    if (mounts == NULL)
        die("/proc/self/mounts");
    while (version != 1 && (mount = getmntent(mounts)) != NULL) {
        bool list = strcmp(mount->mnt_type, "cgroup") == 0 && hasmntopt(mount, "devices") != NULL;
        if (!list && strcmp(mount->mnt_type, "cgroup2") != 0)
            continue;
        if (snprintf(root, sizeof root, "%s", mount->mnt_dir) < (int)sizeof root)
            version = list ? 1 : 2;
    }
    endmntent(mounts);
    return version != 0;
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

static void name_group(void)
{
    const char *tag = getenv("ISOLAB_TAG");
    int length = snprintf(group, sizeof group, "%s/isolab-%s", root, tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= PATH_SIZE) {
        errno = ENAMETOOLONG;
        die("ISOLAB_TAG");
    }
}

static const char *make_group(void)
{
    if (!find_hierarchy())
        return "unavailable (no cgroups mounted)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    return "allowed";
}

/*
 * The program: if (type == character device && minor == 5 && major == 1) return 0; return 1;
 * Its argument, in register 1, is a struct bpf_cgroup_dev_ctx. Zero means no.
 */
static int load_program(void)
{
    const struct bpf_insn program[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1,
         .off = offsetof(struct bpf_cgroup_dev_ctx, access_type)},
        {.code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = 2, .imm = 0xffff}, /* upper half: access */
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = BPF_DEVCG_DEV_CHAR, .off = 6},
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1,
         .off = offsetof(struct bpf_cgroup_dev_ctx, major)},
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = MEMORY_DEVICES, .off = 4},
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1,
         .off = offsetof(struct bpf_cgroup_dev_ctx, minor)},
        {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = ZERO_MINOR, .off = 2},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insn_cnt = sizeof program / sizeof program[0];
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.license = (uint64_t)(uintptr_t)"GPL";
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

/* The group keeps the program after our descriptors are closed, until it is removed. */
static int attach_program(int program)
{
    union bpf_attr attributes;
    int directory = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory == -1)
        die(group);
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)directory;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    int result = (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes);
    int error = errno;
    close(directory);
    errno = error;
    return result;
}

/* 0 or an errno. */
static int deny_zero(void)
{
    if (version == 1)
        return write_in_group("devices.deny", "c 1:5 rwm") == -1 ? errno : 0;
    int program = load_program();
    if (program == -1)
        return errno;
    int error = attach_program(program) == -1 ? errno : 0;
    close(program);
    return error;
}

static int try_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

/* A node in our own folder; it is its numbers, not its name, that make it the device. */
static int try_mknod(const char *name, unsigned minor)
{
    if (mknod(name, S_IFCHR | 0600, makedev(MEMORY_DEVICES, minor)) == -1)
        return errno;
    if (unlink(name) == -1)
        die_in_child(name);
    return 0;
}

static int try_read(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 1 ? 0 : errno;
}

static struct report try_all(int held)
{
    struct report report = {
        .open_zero = try_open("/dev/zero"),
        .open_null = try_open("/dev/null"),
        .mknod_zero = try_mknod("also-zero", ZERO_MINOR),
        .mknod_null = try_mknod("also-null", NULL_MINOR),
        .read_held = try_read(held),
    };
    return report;
}

static _Noreturn void be_member(int out)
{
    int held = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (held == -1)
        die_in_child("/dev/zero");
    if (write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    struct report report = try_all(held);
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(out, &report, sizeof report) != (ssize_t)sizeof report)
        die_in_child("write");
    _exit(0);
}

static struct report try_in_group(void)
{
    struct report report;
    int ends[2];
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        close(ends[0]);
        be_member(ends[1]);
    }
    close(ends[1]);
    do
        got = read(ends[0], &report, sizeof report);
    while (got == -1 && errno == EINTR);
    close(ends[0]);
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (got != (ssize_t)sizeof report)
        exit(1); /* the child said why on stderr */
    return report;
}

/* A device the container was not given: making the node or opening it must fail. */
static const char *try_kmsg(void)
{
    if (mknod("messages", S_IFCHR | 0600, makedev(MEMORY_DEVICES, KMSG_MINOR)) == -1)
        return verdict(errno);
    int error = try_open("messages");
    if (unlink("messages") == -1)
        die("messages");
    return verdict(error);
}

static void demonstrate(void)
{
    int error = deny_zero();
    printf("\"denial\": \"%s\", \"way\": \"%s\", ", verdict(error),
           version == 1 ? "devices.deny (version 1)" : "BPF program (version 2)");
    if (error != 0)
        return;
    struct report inside = try_in_group();
    printf("\"open_zero\": \"%s\", ", verdict(inside.open_zero));
    printf("\"read_held\": \"%s\", ", verdict(inside.read_held));
    printf("\"open_null\": \"%s\", ", verdict(inside.open_null));
    printf("\"mknod_zero\": \"%s\", ", verdict(inside.mknod_zero));
    printf("\"mknod_null\": \"%s\", ", verdict(inside.mknod_null));
    printf("\"open_zero_outside\": \"%s\", ", verdict(try_open("/dev/zero")));
}

int main(void)
{
    /* What is buffered at fork() is printed once, for children leave by _exit(). */
    const char *made = make_group();
    printf("{");
    if (strcmp(made, "allowed") == 0)
        demonstrate();
    printf("\"group\": \"%s\", \"own_kmsg\": \"%s\"}\n", made, try_kmsg());
    return 0;
}
