/*
 * Which devices are there to open?
 *
 * Shown: those that are harmless are everywhere; those that are the hardware are missing in a
 * container and closed to ordinary users elsewhere; nobody without CAP_MKNOD makes a new one.
 *
 * Nothing is read from a device, except from those without memory.
 *
 * Man pages: null(4), mem(4), random(4), mknod(2), open(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Physical memory is character device 1, 1 on every Linux: mem(4). */
enum { MEM_MAJOR = 1, MEM_MINOR = 1 };

struct device {
    const char *key;
    const char *path;
    int flags;
};

static const struct device devices[] = {
    {"dev_null", "/dev/null", O_WRONLY},
    {"zero", "/dev/zero", O_RDONLY},
    {"urandom", "/dev/urandom", O_RDONLY},
    {"physical_memory", "/dev/mem", O_RDONLY},
    {"ports", "/dev/port", O_RDONLY},
    {"kernel_log", "/dev/kmsg", O_WRONLY},
    {"virtio_disk", "/dev/vda", O_RDONLY},
    {"scsi_disk", "/dev/sda", O_RDONLY},
    {"loop_control", "/dev/loop-control", O_RDONLY},
};

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOENT: return "not there (ENOENT)";
    case ENXIO: return "no device behind it (ENXIO)";
    default: return "blocked (another errno)";
    }
}

static int try_to_open(const struct device *device)
{
    int fd = open(device->path, device->flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

/* If it could be made, it would lie here with the maker as its owner: file modes would not help. */
static int make_memory_device(void)
{
    if (mknod("mem", S_IFCHR | 0600, makedev(MEM_MAJOR, MEM_MINOR)) == -1)
        return errno;
    return unlink("mem") == -1 ? errno : 0;
}

static int make_fifo(void)
{
    if (mknod("fifo", S_IFIFO | 0600, 0) == -1)
        return errno;
    return unlink("fifo") == -1 ? errno : 0;
}

int main(void)
{
    int hardware = 0;
    size_t count = sizeof devices / sizeof devices[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; i++)
        printf("%s: %s\n", devices[i].path, verdict(try_to_open(&devices[i])));
    printf("{");
    for (size_t i = 0; i < count; i++) {
        int error = try_to_open(&devices[i]);
        printf("\"%s\": \"%s\", ", devices[i].key, verdict(error));
        if (i > 2 && error == 0)
            hardware++;
    }
    printf("\"hardware_open\": %d, \"make_device\": \"%s\", ", hardware,
           verdict(make_memory_device()));
    printf("\"make_fifo\": \"%s\"}\n", verdict(make_fifo()));
    return 0;
}
