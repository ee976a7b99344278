/*
 * Another design: a page in front holds the length, and nobody can write it by mistake.
 *
 *   | header, read-only | pages of the buffer | guard |
 *
 * The buffer begins in the page behind the header, or is empty and begins with the guard. So the header is
 * found from it by the size of a page alone.
 *
 * Man pages: mmap(2), mprotect(2), munmap(2), sysconf(3).
 */
#include "guarded.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes of the mapping for a buffer; 0 if there are no such numbers. */
static size_t length_of(size_t size)
{
    size_t page = page_size(), length;
    if (__builtin_add_overflow(size, 3 * page - 1, &length))
        return 0;
    return length / page * page;
}

void *guarded_alloc(size_t size)
{
    size_t page = page_size(), length = length_of(size);
    if (length == 0) {
        errno = ENOMEM;
        return NULL;
    }
    char *header = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (header == MAP_FAILED)
        return NULL;
    if (mprotect(header, length - page, PROT_READ | PROT_WRITE) == 0) {
        *(size_t *)(void *)header = length;
        if (mprotect(header, page, PROT_READ) == 0)
            return header + length - page - size;
    }
    munmap(header, length);
    errno = ENOMEM;
    return NULL;
}

void guarded_free(void *buffer)
{
    size_t page = page_size();
    if (buffer == NULL)
        return;
    char *header = (char *)((uintptr_t)buffer / page * page - page);
    if (munmap(header, *(size_t *)(void *)header) == -1)
        abort();
}
