/*
 * Wrong: it looks for the length of a buffer at NULL as well, where there is none.
 */
#include "guarded.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Asked, not known: 4 KiB, 16 KiB or 64 KiB, by architecture and kernel. */
static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    if (size <= 0)
        abort();
    return (size_t)size;
}

void *guarded_alloc(size_t size)
{
    size_t page = page_size();
    if (size > SIZE_MAX - sizeof size - 2 * page) { /* would wrap around to something small */
        errno = ENOMEM;
        return NULL;
    }
    size_t usable = (size + sizeof size + page - 1) / page * page;
    size_t whole = usable + page;
    char *mapping = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    if (mprotect(mapping + usable, page, PROT_NONE) == -1) {
        int error = errno;
        munmap(mapping, whole);
        errno = error;
        return NULL;
    }
    *(size_t *)(void *)mapping = whole;
    return mapping + usable - size;
}

void guarded_free(void *buffer)
{
    /* Less than a page lies between the length and the buffer. */
    uintptr_t first = ((uintptr_t)buffer - sizeof(size_t)) / page_size() * page_size();
    size_t whole = *(size_t *)first;
    if (munmap((void *)first, whole) == -1) {
        perror("guarded_free: not a buffer of guarded_alloc");
        abort();
    }
}
