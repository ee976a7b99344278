/*
 * fork(2) copies no memory: parent and child share every page of a private mapping until one
 * of them writes to it; then the kernel copies that page, and that page only.
 *
 * Seen in two ways, from the child: proc_pid_smaps(5) says how much of a mapping is "Private"
 * (mapped by nobody else), and getrusage(2) counts the page faults in which the copies are made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REGION_BYTES = 2 * 1024 * 1024, STRIDE = 2, NOT_TOLD = -1 };

struct region {
    volatile unsigned char *start;
    size_t page_size;
    size_t pages;
};

/* What the child saw; private memory in percent of the region. */
struct findings {
    int private_after_fork;
    int private_after_reading;
    int private_after_writing;
    long pages_written;
    long faults_while_writing;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static unsigned char mark_of(size_t page)
{
    return (unsigned char)(page % 251 + 1);
}

static struct region make_region(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    /* An inaccessible page on either side keeps the kernel from merging the region with a
     * neighbour, so that it has a smaps entry of its own. */
    char *all = mmap(NULL, REGION_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        die("mmap");
    char *start = all + page;
    if (mprotect(start, REGION_BYTES, PROT_READ | PROT_WRITE) == -1)
        die("mprotect");
    /* With transparent huge pages one fault would stand for up to 512 pages and the count
     * would depend on the machine's settings. EINVAL: a kernel that has no huge pages. */
    if (madvise(start, REGION_BYTES, MADV_NOHUGEPAGE) == -1 && errno != EINVAL)
        die("madvise");
    return (struct region){(volatile unsigned char *)start, page, REGION_BYTES / page};
}

static void fill(struct region region)
{
    for (size_t i = 0; i < region.pages; i++)
        region.start[i * region.page_size] = mark_of(i);
}

/* Reads every page. True if each still holds what fill() put there. */
static bool is_unchanged(struct region region)
{
    bool same = true;
    for (size_t i = 0; i < region.pages; i++)
        same &= region.start[i * region.page_size] == mark_of(i);
    return same;
}

static long write_every_second_page(struct region region)
{
    long written = 0;
    for (size_t i = 0; i < region.pages; i += STRIDE, written++)
        region.start[i * region.page_size] = 0; /* one byte is enough to have the page copied */
    return written;
}

/* Private memory in percent of the region; NOT_TOLD where smaps counts none of its pages at all, although
 * all were written: QEMU's user-mode emulator makes the file up, or speaks of other addresses. */
static int private_percent(struct region region)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (smaps == NULL)
        die("/proc/self/smaps");
    char line[512];
    bool ours = false;
    unsigned long private_kib = 0, resident_kib = 0;
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long from, to, kib;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            ours = from == (unsigned long)region.start;
        else if (ours && (sscanf(line, "Private_Clean: %lu", &kib) == 1 ||
                          sscanf(line, "Private_Dirty: %lu", &kib) == 1))
            private_kib += kib;
        else if (ours && sscanf(line, "Rss: %lu", &kib) == 1)
            resident_kib = kib;
    }
    if (ferror(smaps))
        die("/proc/self/smaps");
    fclose(smaps);
    return resident_kib == 0 ? NOT_TOLD : (int)(private_kib * 100 / (REGION_BYTES / 1024));
}

static long minor_faults(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == -1)
        die("getrusage");
    return usage.ru_minflt;
}

static _Noreturn void child(struct region region, int out)
{
    struct findings found = {.private_after_fork = private_percent(region)};
    if (!is_unchanged(region))
        _exit(1);
    found.private_after_reading = private_percent(region);
    long before = minor_faults();
    found.pages_written = write_every_second_page(region);
    found.faults_while_writing = minor_faults() - before;
    found.private_after_writing = private_percent(region);
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(out, &found, sizeof found) != (ssize_t)sizeof found)
        die("write");
    _exit(0);
}

static struct findings run_child(struct region region)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        child(region, ends[1]);
    }
    close(ends[1]);
    struct findings found;
    ssize_t got;
    do
        got = read(ends[0], &found, sizeof found);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof found)
        die("read");
    close(ends[0]);
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return found;
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

static void print_percent(const char *key, int percent)
{
    if (percent == NOT_TOLD)
        printf("\"%s\": \"not told\", ", key);
    else
        printf("\"%s\": %d, ", key, percent);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct region region = make_region();
    fill(region);
    printf("parent: wrote to all %zu pages of %zu bytes, then forked\n", region.pages, region.page_size);
    struct findings found = run_child(region);
    if (found.private_after_writing == NOT_TOLD)
        printf("child:  /proc/self/smaps does not tell which pages are its own\n");
    else
        printf("child:  %d %% of it its own after fork, %d %% after reading all, %d %% after writing to every second page\n",
               found.private_after_fork, found.private_after_reading, found.private_after_writing);

    printf("{\"pages\": %zu, \"pages_written\": %ld, ", region.pages, found.pages_written);
    print_percent("copied_percent_after_fork", found.private_after_fork);
    print_percent("copied_percent_after_reading", found.private_after_reading);
    print_percent("copied_percent_after_writing", found.private_after_writing);
    printf("\"fault_per_written_page\": %s, ", json(found.faults_while_writing >= found.pages_written));
    printf("\"parent_unchanged\": %s}\n", json(is_unchanged(region)));
    return 0;
}
