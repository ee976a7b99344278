/*
 * One file in two address spaces: shared memory with a name and permissions.
 *
 *   mmap_file make     (student) makes the file, mode 0644, and plays both sides of a sharing
 *   mmap_file visit    (other) may read it, and so may map it for reading
 *
 * Shown: what one process writes to a shared mapping another reads, without a system call; a private
 * mapping keeps its changes to itself; permissions are those of the file, asked when it is opened and
 * mapped; a mapping beyond the end of the file is SIGBUS.
 *
 * Man pages: mmap(2), open(2), msync(2), ftruncate(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "segment"

enum { READ_END = 0, WRITE_END = 1, FIRST = 'a', SECOND = 'b', SECRET = 'c' };

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
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another errno)";
    }
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

/* SIGBUS would dump core; a core handler program minds only the second of these, core(5). */
static void forbid_core(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("forbid core dumps");
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    if (size <= 0)
        die("sysconf");
    return (size_t)size;
}

static int open_file(int flags)
{
    int fd = open(NAME, flags | O_CLOEXEC, 0644);
    if (fd == -1)
        die(NAME);
    return fd;
}

/* The mapping outlives its descriptor. */
static volatile char *map(int open_flags, int protection, int flags)
{
    int fd = open_file(open_flags);
    void *area = mmap(NULL, page_size(), protection, flags, fd, 0);
    if (area == MAP_FAILED)
        die("mmap");
    close(fd);
    return area;
}

static char byte_in_file(void)
{
    char byte = 0;
    int fd = open_file(O_RDONLY);
    if (pread(fd, &byte, 1, 0) != 1)
        die("pread");
    close(fd);
    return byte;
}

static void await_byte(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        die("read");
}

static void send_byte(int fd)
{
    if (write(fd, "t", 1) != 1)
        die("write");
}

/*
 * The child opens and maps by itself, as a stranger would, and looks before and after our write. The pipes
 * say only "I have looked" and "look now".
 */
static bool reader_sees(volatile char *ours, int kind)
{
    int looked[2], turn[2];
    if (pipe2(looked, O_CLOEXEC) == -1 || pipe2(turn, O_CLOEXEC) == -1)
        die("pipe2");
    *ours = FIRST;
    pid_t child = start_child();
    if (child == 0) {
        volatile char *theirs = map(O_RDWR, PROT_READ | PROT_WRITE, kind);
        if (kind == MAP_PRIVATE)
            theirs[1] = SECRET; /* the page is copied now; who only reads still has the file's */
        bool before = theirs[0] == FIRST;
        send_byte(looked[WRITE_END]);
        await_byte(turn[READ_END]);
        _exit(before && theirs[0] == SECOND ? 0 : 1);
    }
    close(looked[WRITE_END]);
    close(turn[READ_END]);
    await_byte(looked[READ_END]);
    *ours = SECOND;
    send_byte(turn[WRITE_END]);
    close(looked[READ_END]);
    close(turn[WRITE_END]);
    return wait_for(child) == 0;
}

static bool private_stays_private(void)
{
    volatile char *own = map(O_RDONLY, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    *own = SECRET;
    return *own == SECRET && byte_in_file() == SECOND;
}

/* Whether a mapping can be read when the file's mode forbids it by now; `again`: opening it once more. */
static bool mapping_is_kept(int *again)
{
    volatile char *theirs = map(O_RDONLY, PROT_READ, MAP_SHARED);
    if (chmod(NAME, 0) == -1)
        die("chmod");
    bool kept = *theirs == SECOND;
    int fd = open(NAME, O_RDONLY | O_CLOEXEC);
    *again = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    if (chmod(NAME, 0644) == -1)
        die("chmod");
    return kept;
}

static const char *map_for_writing(int open_flags)
{
    int fd = open(NAME, open_flags | O_CLOEXEC);
    if (fd == -1)
        return verdict(errno);
    void *area = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = area == MAP_FAILED ? errno : 0;
    close(fd);
    return verdict(error);
}

static const char *read_beyond_end(void)
{
    pid_t child = start_child();
    if (child == 0) {
        forbid_core();
        volatile char *area = map(O_RDWR, PROT_READ, MAP_SHARED);
        if (truncate(NAME, 0) == -1)
            die("truncate");
        _exit(*area == 0);
    }
    int status = wait_for(child);
    if (!WIFSIGNALED(status))
        return "allowed";
    return WTERMSIG(status) == SIGBUS ? "SIGBUS" : "another signal";
}

static void make(void)
{
    int fd = open_file(O_RDWR | O_CREAT | O_TRUNC);
    if (fchmod(fd, 0644) == -1 || ftruncate(fd, (off_t)page_size()) == -1)
        die("ftruncate");
    close(fd);
    volatile char *ours = map(O_RDWR, PROT_READ | PROT_WRITE, MAP_SHARED);
    *ours = FIRST;
    bool in_file = byte_in_file() == FIRST;
    bool copied = reader_sees(ours, MAP_PRIVATE);
    bool seen = reader_sees(ours, MAP_SHARED);
    bool kept = private_stays_private();
    int again;
    bool held = mapping_is_kept(&again);
    printf("{\"file_shows_it\": %s, \"reader_sees_it\": %s, ", json_bool(in_file), json_bool(seen));
    printf("\"copy_sees_it\": %s, ", json_bool(copied));
    printf("\"private_stays_private\": %s, ", json_bool(kept));
    printf("\"kept_after_chmod\": %s, \"opened_after_chmod\": \"%s\", ", json_bool(held), verdict(again));
    printf("\"write_by_read_only\": \"%s\", ", map_for_writing(O_RDONLY));
    printf("\"beyond_end\": \"%s\"}\n", read_beyond_end());
    if (truncate(NAME, (off_t)page_size()) == -1)
        die("truncate");
}

static void visit(void)
{
    volatile char *theirs = map(O_RDONLY, PROT_READ, MAP_SHARED);
    bool readable = *theirs == 0; /* the file was emptied and filled with a hole */
    printf("{\"other_reads\": %s, \"other_writes\": \"%s\"}\n", json_bool(readable),
           map_for_writing(O_RDWR));
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "visit") == 0)
        visit();
    else
        make();
    return 0;
}
