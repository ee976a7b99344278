/*
 * What a kernel is told once for everybody: the host's name (sethostname(2)), the clock
 * (clock_settime(2), to what it is anyway), and a sysctl file, proc(5), opened for writing and
 * closed again: what is written to core_pattern would be run by the kernel, as root.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EROFS: return "blocked (EROFS)";
    case ENOENT: return "blocked (ENOENT)";
    default: return "blocked (another errno)";
    }
}

static int rename_host(void)
{
    static const char name[] = "isolab-was-here";
    return sethostname(name, sizeof name - 1) == -1 ? errno : 0;
}

static int set_clock(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) == -1)
        return errno;
    return clock_settime(CLOCK_REALTIME, &now) == -1 ? errno : 0;
}

static int open_setting(void)
{
    int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("rename the host, set the clock, open a setting of the kernel for writing");
    printf("{\"rename\": \"%s\", \"clock\": \"%s\", ", verdict(rename_host()), verdict(set_clock()));
    printf("\"core_pattern\": \"%s\"}\n", verdict(open_setting()));
    return 0;
}
