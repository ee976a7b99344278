/*
 * Virtual addresses are names; what they name differs from process to process.
 *
 * Shown: one address, two contents, in parent and child; two addresses for one memory; a page that
 * has no memory behind it before it is touched; and /proc/self/pagemap, which tells who asks whether a
 * page is there but hides from ordinary users which frame it is in.
 *
 * Man pages: fork(2), mmap(2), memfd_create(2), proc_pid_pagemap(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARENTS = 1, CHILDS = 2, READ_END = 0, WRITE_END = 1 };

/* Bits of an entry of pagemap, proc_pid_pagemap(5). */
#define PRESENT (UINT64_C(1) << 63)
#define FRAME ((UINT64_C(1) << 55) - 1)

struct page {
    volatile int *address;
    int content;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static volatile int *map(size_t size, int flags, int fd)
{
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (area == MAP_FAILED)
        die("mmap");
    return area;
}

/* What the child sees under its address, told through a pipe as addresses do not carry over. */
static struct page in_child(volatile int *where)
{
    int report[2];
    struct page seen;
    if (pipe2(report, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        *where = CHILDS;
        seen = (struct page){where, *where};
        _exit(write(report[WRITE_END], &seen, sizeof seen) == (ssize_t)sizeof seen ? 0 : 1);
    }
    close(report[WRITE_END]);
    if (read(report[READ_END], &seen, sizeof seen) != (ssize_t)sizeof seen)
        die("read");
    close(report[READ_END]);
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return seen;
}

/* One page of memory, mapped twice. */
static bool second_name_sees(size_t size)
{
    int fd = memfd_create("frame", MFD_CLOEXEC);
    if (fd == -1 || ftruncate(fd, (off_t)size) == -1)
        die("memfd_create");
    volatile int *one = map(size, MAP_SHARED, fd);
    volatile int *two = map(size, MAP_SHARED, fd);
    close(fd);
    *one = PARENTS;
    return one != two && *two == PARENTS;
}

static bool entry_of(int pagemap, const volatile void *address, size_t size, uint64_t *entry)
{
    off_t where = (off_t)((uintptr_t)address / size * sizeof *entry);
    return pread(pagemap, entry, sizeof *entry, where) == (ssize_t)sizeof *entry;
}

static void show_pagemap(size_t size)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap == -1) {
        printf("\"pagemap\": \"%s\"", errno == ENOENT ? "not in this kernel" : "closed");
        return;
    }
    uint64_t before = 0, after = 0;
    volatile int *fresh = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    bool told = entry_of(pagemap, fresh, size, &before);
    *fresh = PARENTS;
    told = told && entry_of(pagemap, fresh, size, &after);
    close(pagemap);
    printf("\"pagemap\": \"%s\", ", told ? "open" : "unreadable");
    printf("\"present_before_touch\": %s, ", json_bool((before & PRESENT) != 0));
    printf("\"present_after_touch\": %s, ", json_bool((after & PRESENT) != 0));
    /* Without a present page there is nothing to say about its frame. */
    printf("\"frame\": \"%s\"", (after & PRESENT) == 0  ? "not told"
                              : (after & FRAME) == 0 ? "hidden"
                                                     : "shown");
}

int main(void)
{
    long page = sysconf(_SC_PAGESIZE);
    if (page <= 0)
        die("sysconf");
    size_t size = (size_t)page;
    setvbuf(stdout, NULL, _IOLBF, 0);
    volatile int *ours = map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    *ours = PARENTS;
    struct page childs = in_child(ours);

    printf("one address; the parent reads %d there, the child %d\n", *ours, childs.content);
    printf("{\"same_address\": %s, \"parent_reads\": %d, ", json_bool(childs.address == ours), *ours);
    printf("\"child_reads\": %d, \"two_names\": %s, ", childs.content,
           json_bool(second_name_sees(size)));
    show_pagemap(size);
    printf("}\n");
    return 0;
}
