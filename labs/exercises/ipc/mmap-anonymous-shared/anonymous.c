/*
 * Shared memory without a name: an anonymous MAP_SHARED mapping, which only descendants get.
 *
 * Shown: child and grandchild write, the parent reads; a mapping made after fork() is not shared;
 * unmapping is each process's own affair; a region can be kept from children; the name under which
 * the kernel lists it is one that nobody can open. (MAP_PRIVATE: exercise ipc/shared-memory.)
 *
 * Man pages: mmap(2), fork(2), madvise(2), proc_pid_maps(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 512, PATH_SIZE = 256 };

struct page {
    int by_child;
    int by_grandchild;
    int later;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

/* The status with which `child` ended. */
static int reap(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static struct page *share(size_t size)
{
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        die("mmap");
    return page;
}

static void check_end(int status)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = ECHILD;
        die("a child failed");
    }
}

/* The child unmaps its view when it is done: that takes nothing away from the others. */
static void be_child(struct page *page, size_t size)
{
    pid_t grandchild = start_child();
    if (grandchild == 0) {
        page->by_grandchild = 2;
        _exit(0);
    }
    page->by_child = 1;
    check_end(reap(grandchild));
    if (munmap(page, size) == -1)
        die("munmap");
    _exit(0);
}

/* Parent and child both map after fork(): two mappings that have nothing to do with each other. */
static bool shared_if_mapped_after_fork(size_t size)
{
    pid_t child = start_child();
    struct page *page = share(size);
    if (child == 0) {
        page->later = 1;
        _exit(0);
    }
    check_end(reap(child));
    bool seen = page->later == 1;
    if (munmap(page, size) == -1)
        die("munmap");
    return seen;
}

/* How a child ends that touches a region its parent keeps for itself; an emulator may refuse that. */
static const char *touch_kept_region(size_t size)
{
    struct page *page = share(size);
    if (madvise(page, size, MADV_DONTFORK) == -1) {
        if (errno != EINVAL)
            die("madvise");
        return "advice refused (EINVAL)";
    }
    pid_t child = start_child();
    if (child == 0) {
        *(volatile int *)&page->by_child = 1;
        _exit(0);
    }
    int status = reap(child);
    if (munmap(page, size) == -1)
        die("munmap");
    if (!WIFSIGNALED(status))
        return "allowed";
    return WTERMSIG(status) == SIGSEGV ? "SIGSEGV" : "another signal";
}

/* The last column of the line of /proc/self/maps in which `page` lies. */
static void name_in_maps(const struct page *page, char name[PATH_SIZE])
{
    char line[LINE];
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        die("/proc/self/maps");
    strcpy(name, "not listed");
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t start, end;
        int path = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %n", &start, &end, &path) < 2)
            continue;
        if ((uintptr_t)page < start || (uintptr_t)page >= end || path == 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, PATH_SIZE, "%.200s", line + path);
    }
    fclose(maps);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char name[PATH_SIZE];
    struct page *page = share(size);
    pid_t child = start_child();
    if (child == 0)
        be_child(page, size);
    check_end(reap(child));
    name_in_maps(page, name);
    printf("from the child: %d, from the grandchild: %d; listed as %s\n", page->by_child,
           page->by_grandchild, name);

    printf("{\"child_writes\": %s, \"grandchild_writes\": %s, ", json_bool(page->by_child == 1),
           json_bool(page->by_grandchild == 2));
    printf("\"name_in_maps\": \"%s\", ", name);
    printf("\"name_can_be_opened\": %s, ", json_bool(access(name, F_OK) == 0));
    printf("\"shared_if_mapped_later\": %s, ", json_bool(shared_if_mapped_after_fork(size)));
    printf("\"kept_from_child\": \"%s\"}\n", touch_kept_region(size));
    return 0;
}
