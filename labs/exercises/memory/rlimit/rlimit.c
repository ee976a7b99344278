/*
 * How much memory may a process ask for?
 *
 * Shown: memory that is only asked for costs nothing; with RLIMIT_AS asking ends with ENOMEM, for
 * children too; the soft limit goes up to the hard one, the hard one only down.
 *
 * Man pages: getrlimit(2), mmap(2), malloc(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, LIMIT = 96 * MIB, SMALL = 1 * MIB, MEDIUM = 128 * MIB, LARGE = 512 * MIB };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case ENOMEM: return "blocked (ENOMEM)";
    default: return "blocked (another errno)";
    }
}

/*
 * Address space only: no page of it is touched. `reserve` is 0 to have memory for all of it reserved, which
 * the kernel refuses if there is obviously too little (overcommit_memory in proc_sys_vm(5)), or MAP_NORESERVE.
 */
static int ask_for(size_t size, int reserve)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | reserve;
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (area == MAP_FAILED)
        return errno;
    if (munmap(area, size) == -1)
        die("munmap");
    return 0;
}

static int allocate(size_t size)
{
    /* volatile: a compiler may leave out an allocation that is not used */
    void *volatile area = malloc(size);
    int error = area == NULL ? errno : 0;
    free(area);
    return error;
}

static int set_limit(rlim_t soft, rlim_t hard)
{
    const struct rlimit limit = {soft, hard};
    return setrlimit(RLIMIT_AS, &limit) == -1 ? errno : 0;
}

static int in_child(size_t size)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        _exit(ask_for(size, MAP_NORESERVE));
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *before = verdict(ask_for(LARGE, MAP_NORESERVE));
    const char *reserved = verdict(ask_for(LARGE, 0));
    const char *malloc_before = verdict(allocate(MEDIUM));
    const char *limit = verdict(set_limit(LIMIT / 2, LIMIT));
    const char *raise_soft = verdict(set_limit(LIMIT, LIMIT));
    const char *raise_hard = verdict(set_limit(LIMIT, 2 * (rlim_t)LIMIT));
    const char *small = verdict(ask_for(SMALL, MAP_NORESERVE));
    const char *large = verdict(ask_for(LARGE, MAP_NORESERVE));
    const char *by_malloc = verdict(allocate(MEDIUM));
    const char *child = verdict(in_child(LARGE));

    printf("512 MiB of addresses: %s, with a limit of 96 MiB %s\n", before, large);
    printf("{\"before\": \"%s\", \"reserved\": \"%s\", ", before, reserved);
    printf("\"malloc_before\": \"%s\", \"limit\": \"%s\", ", malloc_before, limit);
    printf("\"raise_soft\": \"%s\", \"raise_hard\": \"%s\", ", raise_soft, raise_hard);
    printf("\"small\": \"%s\", \"large\": \"%s\", ", small, large);
    printf("\"by_malloc\": \"%s\", \"child\": \"%s\"}\n", by_malloc, child);
    return 0;
}
