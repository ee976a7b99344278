/*
 * What a container's maker does with the root: used by the attacks on containers that one flag leaves open.
 *
 * Man pages: pivot_root(2), mount(2), unshare(2), user_namespaces(7).
 */
#ifndef NEWROOT_H
#define NEWROOT_H

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "attack.h"

/* The kernel's first file system cannot be exchanged (EINVAL): there the new root is moved over it. */
static inline bool exchange_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
    return errno == EINVAL && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

/* In a mount namespace of one's own: an empty root with a /proc, made at `place`. The old one is out of reach. */
static inline void enter_new_root(const char *place)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("tmpfs", place, "tmpfs", 0, "mode=0755,size=256k") == -1 || chdir(place) == -1 ||
        mkdir("proc", 0755) == -1 || mount("proc", "proc", "proc", 0, NULL) == -1 || !exchange_root())
        die("the new root");
}

/* Root's further groups first: one of them may be that of a socket. Changing ids makes a process's /proc files root's, and its
   maps with them: PR_SET_DUMPABLE in prctl(2). */
static inline void become_ordinary(uid_t user)
{
    if (setgroups(0, NULL) == -1 || setresgid(user, user, user) == -1 || setresuid(user, user, user) == -1 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1)
        die("becoming an ordinary user");
}

static inline void write_map(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) == -1)
        die(file);
}

/* In a user namespace of one's own: root inside is this ordinary user outside. */
static inline void map_root(uid_t user)
{
    char map[32];
    snprintf(map, sizeof map, "0 %u 1", (unsigned)user);
    write_map("/proc/self/setgroups", "deny");
    write_map("/proc/self/uid_map", map);
    write_map("/proc/self/gid_map", map);
}

#endif
