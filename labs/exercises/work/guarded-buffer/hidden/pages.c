/*
 * A machine with larger pages, pretended: what service.c asks about memory goes through here (hidden.yaml
 * compiles it with -Dmmap=pages_mmap and so on). Mappings begin at such pages and are of whole ones, and
 * addresses within them are refused, as the kernel refuses those within its own.
 *
 * Man pages: mmap(2), mprotect(2), munmap(2), sysconf(3), getpagesize(2), getauxval(3).
 */
#undef sysconf
#undef getpagesize
#undef getauxval
#undef mmap
#undef mprotect
#undef munmap
#include <errno.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TIMES = 4 }; /* larger than the machine's own */

long pages_sysconf(int name);
int pages_getpagesize(void);
unsigned long pages_getauxval(unsigned long type);
void *pages_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset);
int pages_mprotect(void *at, size_t length, int protection);
int pages_munmap(void *at, size_t length);

static size_t page_size(void)
{
    return TIMES * (size_t)sysconf(_SC_PAGESIZE);
}

/* 0 when it is nothing, or more than there is. */
static size_t whole_pages(size_t length)
{
    return length > SIZE_MAX - 2 * page_size() ? 0 : (length + page_size() - 1) / page_size() * page_size();
}

long pages_sysconf(int name)
{
    return name == _SC_PAGESIZE ? (long)page_size() : sysconf(name);
}

int pages_getpagesize(void)
{
    return (int)page_size();
}

unsigned long pages_getauxval(unsigned long type)
{
    return type == AT_PAGESZ ? page_size() : getauxval(type);
}

/* More than is wanted, of which what lies before the first page and behind the last one is given back. */
void *pages_mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    size_t whole = whole_pages(length), page = page_size();
    if (whole == 0) {
        errno = length == 0 ? EINVAL : ENOMEM;
        return MAP_FAILED;
    }
    if (flags & MAP_FIXED) {
        if ((uintptr_t)at % page == 0)
            return mmap(at, whole, protection, flags, fd, offset);
        errno = EINVAL;
        return MAP_FAILED;
    }
    char *got = mmap(NULL, whole + page, protection, flags, fd, offset);
    if (got == MAP_FAILED)
        return MAP_FAILED;
    size_t before = (page - (uintptr_t)got % page) % page;
    if ((before > 0 && munmap(got, before) == -1) || munmap(got + before + whole, page - before) == -1)
        return MAP_FAILED;
    return got + before;
}

int pages_mprotect(void *at, size_t length, int protection)
{
    if ((uintptr_t)at % page_size() == 0)
        return mprotect(at, whole_pages(length), protection);
    errno = EINVAL;
    return -1;
}

int pages_munmap(void *at, size_t length)
{
    if ((uintptr_t)at % page_size() == 0 && whole_pages(length) != 0)
        return munmap(at, whole_pages(length));
    errno = EINVAL;
    return -1;
}
