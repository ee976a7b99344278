/* Another root for the mount namespace; see newroot.h. Man pages: pivot_root(2), mount(2), chroot(2). */
#include "newroot.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

bool exchange_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
    /* The kernel's first file system cannot be taken away (EINVAL): then it is covered. */
    return errno == EINVAL && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 &&
           chdir("/") == 0;
}
