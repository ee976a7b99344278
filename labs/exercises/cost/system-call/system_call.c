/*
 * What it costs to ask the kernel: for nothing, for the time, for a byte, for a file, for memory.
 *
 * Man pages: syscall(2), vdso(7), read(2), openat(2), mmap(2), getrusage(2).
 */
#include "../measure.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGES = 64 };

struct asked {
    int zero;
    size_t page;
};

/* Through syscall(), because a C library might remember the answer. */
static void ask_nothing(void *with, uint32_t times)
{
    (void)with;
    for (uint32_t i = 0; i < times; i++)
        if (syscall(SYS_getppid) == -1)
            die("getppid");
}

/* The C library asks the vDSO, a page of code from the kernel, where there is one. */
static void ask_time(void *with, uint32_t times)
{
    (void)with;
    for (uint32_t i = 0; i < times; i++)
        clock_now(CLOCK_MONOTONIC);
}

static void read_byte(void *with, uint32_t times)
{
    const struct asked *asked = with;
    char byte;
    for (uint32_t i = 0; i < times; i++)
        if (read(asked->zero, &byte, 1) != 1)
            die("read");
}

static void open_file(void *with, uint32_t times)
{
    (void)with;
    for (uint32_t i = 0; i < times; i++) {
        int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        if (file == -1)
            die("/dev/zero");
        if (close(file) == -1)
            die("close");
    }
}

/* Memory is promised by mmap and given when it is touched: a page fault for each page. */
static void touch_pages(void *with, uint32_t times)
{
    const struct asked *asked = with;
    for (uint32_t i = 0; i < times; i++) {
        volatile char *pages =
            mmap(NULL, PAGES * asked->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            die("mmap");
        for (size_t at = 0; at < PAGES * asked->page; at += asked->page)
            pages[at] = 1;
        if (munmap((void *)pages, PAGES * asked->page) == -1)
            die("munmap");
    }
}

int main(void)
{
    bool one = stay_on_one_processor();
    struct asked asked = {open("/dev/zero", O_RDONLY | O_CLOEXEC), (size_t)sysconf(_SC_PAGESIZE)};
    if (asked.zero == -1)
        die("/dev/zero");
    observe_cost("nothing", measure(ask_nothing, NULL, 0), 1);
    observe_cost("time", measure(ask_time, NULL, 0), 1);
    observe_cost("byte", measure(read_byte, &asked, 0), 1);
    observe_cost("file", measure(open_file, NULL, 0), 1);
    observe_cost("page", measure(touch_pages, &asked, 0), PAGES);
    observe_one_processor(one);
    print_observed();
    return 0;
}
