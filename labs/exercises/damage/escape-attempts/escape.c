/*
 * Root inside a boundary tries to get out of it, by the classic ways: new namespaces (unshare(2)),
 * a mount, a device made with mknod(2) for the host's kernel log and its first disk, a chroot(2)
 * climbed out of by "..", process 1's root directory, the host's name, a setting of the kernel.
 *
 * It aims at canaries: two files, the kernel's log, the host's name. The disk and the setting are
 * opened and closed again, never read or written: in a boundary that leaks, they are real.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UP = 64 };

static const char *mark, *secret, *victim;

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOENT: return "blocked (ENOENT)";
    case EROFS: return "blocked (EROFS)";
    case ENXIO: return "blocked (ENXIO)";
    default: return "blocked (another errno)";
    }
}

/* Read one canary file and overwrite another, beneath `root`. 0 if one of it worked. */
static int attack_files(const char *root)
{
    char path[PATH_MAX], text[128];
    int hit = 0;

    snprintf(path, sizeof path, "%s%s", root, secret);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd == -1 ? -1 : read(fd, text, sizeof text);
    if (got > 0)
        hit = printf("  a file of the host says: %.*s\n", (int)got, text) > 0;
    if (fd != -1)
        close(fd);
    snprintf(path, sizeof path, "%s%s", root, victim);
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd != -1) {
        hit |= write(fd, mark, strlen(mark)) > 0;
        close(fd);
    }
    return hit ? 0 : ENOENT;
}

static int by_process_1(void)
{
    return attack_files("/proc/1/root");
}

static int change_root(const char *cell)
{
    if (mkdir(cell, 0700) == -1 && errno != EEXIST)
        return errno;
    return chroot(cell) == -1 ? errno : 0;
}

static int enter_cell(void)
{
    int error = change_root("cell");
    return error == 0 && chdir("/") == -1 ? errno : error;
}

/* The well-known way: a second chroot leaves the working directory outside of the first. */
static int climb_out(void)
{
    int error = change_root("inner");
    if (error != 0)
        return error;
    for (int i = 0; i < UP; i++)
        if (chdir("..") == -1)
            return errno;
    return chroot(".") == -1 ? errno : 0;
}

/* Whether one gets out of a chroot at all: a file beside the cell is there, then not, then there again. */
static int by_leaving_a_cell(void)
{
    char beside[PATH_MAX - sizeof "/beside"];
    if (getcwd(beside, sizeof beside - sizeof "/beside") == NULL)
        return errno;
    strcat(beside, "/beside");
    int fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1)
        return errno;
    close(fd);
    int error = enter_cell();
    if (error != 0)
        return error;
    if (access(beside, F_OK) == 0)
        return EEXIST; /* no cell at all */
    error = climb_out();
    if (error != 0)
        return error;
    return access(beside, F_OK) == -1 ? errno : 0;
}

/* Out of a cell one is in the root of the mount namespace, and no higher. */
static int by_chroot(void)
{
    int error = enter_cell();
    if (error == 0)
        error = climb_out();
    return error != 0 ? error : attack_files("");
}

static int by_namespaces(void)
{
    return unshare(CLONE_NEWNS | CLONE_NEWPID) == -1 ? errno : 0;
}

/* In a mount namespace of its own where that is allowed, so that nobody else sees it. */
static int by_mount(void)
{
    (void)unshare(CLONE_NEWNS);
    if (mkdir("host", 0700) == -1 && errno != EEXIST)
        return errno;
    if (mount("proc", "host", "proc", 0, NULL) == -1)
        return errno;
    return umount("host") == -1 ? errno : 0;
}

static int open_node(const char *name, mode_t type, dev_t device, int flags)
{
    if (mknod(name, type | 0600, device) == -1)
        return errno;
    int fd = open(name, flags | O_CLOEXEC);
    int error = fd == -1 ? errno : 0;
    if (fd != -1 && flags == O_WRONLY && dprintf(fd, "isolab: %s\n", mark) < 0)
        error = errno;
    if (fd != -1)
        close(fd);
    unlink(name);
    return error;
}

/* Character device 1, 11: the kernel's list of devices, admin-guide/devices. */
static int by_log_device(void)
{
    return open_node("kmsg", S_IFCHR, makedev(1, 11), O_WRONLY);
}

static int by_disk_device(void)
{
    char line[256];
    unsigned major_number = 0, minor_number = 0;
    FILE *partitions = fopen("/proc/partitions", "re");

    while (partitions != NULL && major_number == 0 && fgets(line, sizeof line, partitions) != NULL)
        if (sscanf(line, " %u %u", &major_number, &minor_number) != 2)
            major_number = 0;
    if (partitions != NULL)
        fclose(partitions);
    if (major_number == 0)
        return ENXIO;
    return open_node("disk", S_IFBLK, makedev(major_number, minor_number), O_RDONLY);
}

static int by_hostname(void)
{
    static const char name[] = "isolab-was-here";
    char before[HOST_NAME_MAX + 1];

    if (gethostname(before, sizeof before) == -1 || sethostname(name, sizeof name - 1) == -1)
        return errno;
    /* Left as it is: whether the host is renamed is for the host to say. */
    return 0;
}

static int by_setting(void)
{
    int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

/* Each way in a child of its own: what it does to itself ends with it. */
static const char *attempt(const char *story, int (*way)(void))
{
    int status;

    puts(story);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == -1) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        int error = way();
        fflush(stdout);
        _exit(error & 0xff);
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            exit(1);
    return WIFEXITED(status) ? verdict(WEXITSTATUS(status)) : "blocked (killed)";
}

int main(void)
{
    mark = getenv("ISOLAB_CANARY_MARK");
    secret = getenv("ISOLAB_CANARY_SECRET");
    victim = getenv("ISOLAB_CANARY_FILE");
    if (mark == NULL || secret == NULL || victim == NULL) {
        fputs("there is nothing to attack: ISOLAB_CANARY_SECRET and others are not set\n", stderr);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *process_1 = attempt("through process 1's root", by_process_1);
    const char *cell = attempt("out of a chroot", by_leaving_a_cell);
    const char *chroot_ = attempt("out of a chroot, to the host's files", by_chroot);
    const char *namespaces = attempt("new namespaces", by_namespaces);
    const char *mounted = attempt("a mount", by_mount);
    const char *log = attempt("a device node for the kernel's log", by_log_device);
    const char *disk = attempt("a device node for the first disk", by_disk_device);
    const char *hostname = attempt("rename the host", by_hostname);
    const char *setting = attempt("open a setting for writing", by_setting);
    printf("{\"process_1\": \"%s\", \"leave_chroot\": \"%s\", ", process_1, cell);
    printf("\"chroot\": \"%s\", ", chroot_);
    printf("\"namespaces\": \"%s\", \"mount\": \"%s\", ", namespaces, mounted);
    printf("\"log_device\": \"%s\", \"disk_device\": \"%s\", ", log, disk);
    printf("\"hostname\": \"%s\", \"core_pattern\": \"%s\"}\n", hostname, setting);
    return 0;
}
