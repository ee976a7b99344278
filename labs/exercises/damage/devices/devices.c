/*
 * The host's hardware through its device files: the kernel log /dev/kmsg to be written to, physical
 * memory /dev/mem (mem(4)) and the first disk to be read. Nothing is read from the last two: that
 * they could be opened says it all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOENT: return "blocked (ENOENT)";
    case ENXIO: return "blocked (ENXIO)";
    default: return "blocked (another errno)";
    }
}

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

static int write_to_log(const char *mark)
{
    char line[128];
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int length = snprintf(line, sizeof line, "isolab: %s\n", mark);
    int error = write(fd, line, (size_t)length) == -1 ? errno : 0;
    close(fd);
    return error;
}

/* The name of the first disk in /proc/partitions (proc(5)). 0 when there is none. */
static int first_disk(char *path, size_t size)
{
    char line[256], name[64];
    FILE *partitions = fopen("/proc/partitions", "re");
    int found = 0;

    while (partitions != NULL && !found && fgets(line, sizeof line, partitions) != NULL)
        if (sscanf(line, " %*u %*u %*u %63s", name) == 1)
            found = snprintf(path, size, "/dev/%s", name) > 0;
    if (partitions != NULL)
        fclose(partitions);
    return found;
}

int main(void)
{
    const char *mark = getenv("ISOLAB_CANARY_MARK");
    char disk[80];

    if (mark == NULL) {
        fputs("ISOLAB_CANARY_MARK is not set\n", stderr);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("write to the kernel's log, open physical memory and the first disk");
    printf("{\"kernel_log\": \"%s\", ", verdict(write_to_log(mark)));
    printf("\"physical_memory\": \"%s\", ", verdict(try_open("/dev/mem", O_RDONLY)));
    printf("\"disk\": \"%s\"}\n", first_disk(disk, sizeof disk) ? verdict(try_open(disk, O_RDONLY)) : "none");
    return 0;
}
