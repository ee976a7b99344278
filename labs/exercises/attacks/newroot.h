/*
 * What a container's maker does with the root: used by the attacks on containers that one flag leaves open.
 *
 * Man pages: pivot_root(2), mount(2), unshare(2).
 */
#ifndef NEWROOT_H
#define NEWROOT_H

#include <sched.h>
#include <sys/mount.h>
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

#endif
