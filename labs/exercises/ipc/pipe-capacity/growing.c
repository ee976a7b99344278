/*
 * Who may have a larger pipe.
 *
 * Shown: F_SETPIPE_SZ changes the capacity; any process may grow a pipe up to fs.pipe-max-size,
 * beyond it only one with CAP_SYS_RESOURCE.
 *
 * Man pages: fcntl(2), pipe(7), capabilities(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BIGGER = 128 * 1024, DEFAULT_MAX = 1024 * 1024 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOMEM: return "blocked (ENOMEM)";
    default: return "blocked (another error)";
    }
}

/* The limit of fs.pipe-max-size, or its documented default where it cannot be read. */
static int largest_for_users(void)
{
    int limit = DEFAULT_MAX;
    FILE *file = fopen("/proc/sys/fs/pipe-max-size", "re");
    if (file == NULL)
        return limit;
    if (fscanf(file, "%d", &limit) != 1)
        give_up("/proc/sys/fs/pipe-max-size holds no number");
    fclose(file);
    if (limit > INT_MAX / 2)
        give_up("fs.pipe-max-size leaves nothing above it to ask for");
    return limit;
}

/* 0 or an errno; `result` is the new capacity, which may be larger than what was asked for. */
static int resize_a_pipe(int size, int *result)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    *result = fcntl(ends[1], F_SETPIPE_SZ, size);
    int error = *result == -1 ? errno : 0;
    if (close(ends[0]) == -1 || close(ends[1]) == -1)
        die("close");
    return error;
}

int main(void)
{
    int grown_to, refused;
    int limit = largest_for_users();
    const char *grow = verdict(resize_a_pipe(BIGGER, &grown_to));
    const char *above = verdict(resize_a_pipe(limit * 2, &refused));

    printf("growing to %d bytes: %s; above the limit: %s\n", BIGGER, grow, above);
    printf("{\"grow\": \"%s\", \"grown_to\": %d, \"above_max\": \"%s\"}\n", grow, grown_to, above);
    return 0;
}
