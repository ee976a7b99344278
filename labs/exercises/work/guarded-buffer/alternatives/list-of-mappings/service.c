/*
 * Another design: what belongs to which buffer stands in a list elsewhere, so nothing but the buffer lies in
 * the mapping. All of it allows no access at first, and what is used is opened.
 *
 * Man pages: mmap(2), mprotect(2), munmap(2), getpagesize(2), malloc(3).
 */
#define _GNU_SOURCE
#include "guarded.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct entry {
    struct entry *next;
    void *buffer;
    char *mapping;
    size_t whole;
};

static struct entry *entries;

/* A guard alone if `size` is 0: its first byte is the one behind. */
static char *map(size_t usable, size_t whole)
{
    char *mapping = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    if (usable == 0 || mprotect(mapping, usable, PROT_READ | PROT_WRITE) == 0)
        return mapping;
    munmap(mapping, whole);
    return NULL;
}

void *guarded_alloc(size_t size)
{
    size_t page = (size_t)getpagesize();
    size_t pages = size / page + (size % page != 0); /* cannot overflow, unlike size + page - 1 */
    struct entry *entry = malloc(sizeof *entry);

    if (entry == NULL || pages >= SIZE_MAX / page) {
        free(entry);
        errno = ENOMEM;
        return NULL;
    }
    entry->whole = (pages + 1) * page;
    entry->mapping = map(pages * page, entry->whole);
    if (entry->mapping == NULL) {
        free(entry);
        errno = ENOMEM;
        return NULL;
    }
    entry->buffer = entry->mapping + pages * page - size;
    entry->next = entries;
    entries = entry;
    return entry->buffer;
}

void guarded_free(void *buffer)
{
    for (struct entry **link = &entries; buffer != NULL && *link != NULL; link = &(*link)->next) {
        struct entry *entry = *link;
        if (entry->buffer != buffer)
            continue;
        if (munmap(entry->mapping, entry->whole) == -1)
            abort();
        *link = entry->next;
        free(entry);
        return;
    }
}
