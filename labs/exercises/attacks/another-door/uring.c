/*
 * Another door: io_uring(7) does what system calls do, on orders that lie in shared memory. A filter that refuses
 * open, openat and openat2 does not see them.
 *
 * Shown: under such a filter the system call is refused and the ring opens the file; where the list of what is allowed
 * has no io_uring_setup, there is no ring. Before any filter both ways work: the control.
 *
 * Man pages: io_uring_setup(2), io_uring_enter(2), io_uring(7), seccomp(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../attack.h"

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same on all architectures but alpha */
#endif

enum filter { NONE, LIST_OF_FORBIDDEN, WITHOUT_RING };

static const char FILE_NAME[] = "note";

struct seen {
    int by_call, by_ring; /* 0 or an errno */
};

static int by_call(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, FILE_NAME, O_RDONLY | O_CLOEXEC);
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return error;
}

static void *map(int ring, size_t length, off_t offset)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

/* The order: openat, as one entry of the submission queue. The result is in the completion queue. */
static int order(int ring, const struct io_uring_params *how)
{
    char *submissions = map(ring, how->sq_off.array + how->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
    char *completions = map(ring, how->cq_off.cqes + how->cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    struct io_uring_sqe *entries = map(ring, how->sq_entries * sizeof *entries, IORING_OFF_SQES);
    uint32_t *tail = (void *)(submissions + how->sq_off.tail);
    uint32_t *array = (void *)(submissions + how->sq_off.array);

    memset(&entries[0], 0, sizeof entries[0]);
    entries[0].opcode = IORING_OP_OPENAT;
    entries[0].fd = AT_FDCWD;
    entries[0].addr = (uintptr_t)FILE_NAME;
    entries[0].open_flags = O_RDONLY | O_CLOEXEC;
    array[0] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
        return errno;
    const struct io_uring_cqe *done = (void *)(completions + how->cq_off.cqes);
    int result = done[0].res;
    if (result >= 0)
        close(result);
    return result < 0 ? -result : 0;
}

static int by_ring(void)
{
    struct io_uring_params how = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 1, &how);
    if (ring == -1)
        return errno;
    int error = order(ring, &how);
    close(ring);
    return error;
}

#define REFUSE(call)                                                                                      \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES)

/* Without a look at the architecture, which every real filter begins with. */
static void install(enum filter kind)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_open
        REFUSE(SYS_open),
#endif
        REFUSE(SYS_openat),
        REFUSE(SYS_openat2),
        REFUSE(kind == WITHOUT_RING ? SYS_io_uring_setup : SYS_openat),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    if (kind == NONE)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
        die("the filter");
}

static struct seen try(enum filter kind)
{
    struct seen seen;
    int report[2];
    if (pipe2(report, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = start_child();
    if (child == 0) {
        install(kind);
        seen = (struct seen){.by_call = by_call(), .by_ring = by_ring()};
        if (write(report[1], &seen, sizeof seen) != (ssize_t)sizeof seen)
            die("write");
        _exit(0);
    }
    close(report[1]);
    if (read(report[0], &seen, sizeof seen) != (ssize_t)sizeof seen)
        die("an attempt");
    close(report[0]);
    wait_for(child);
    return seen;
}

int main(void)
{
    int fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || close(fd) == -1)
        die(FILE_NAME);
    struct seen none = try(NONE), forbidden = try(LIST_OF_FORBIDDEN), without = try(WITHOUT_RING);
    printf("{\"call\": \"%s\", \"ring\": \"%s\", ", verdict(none.by_call), verdict(none.by_ring));
    printf("\"call_filtered\": \"%s\", ", verdict(forbidden.by_call));
    printf("\"ring_filtered\": \"%s\", ", verdict(forbidden.by_ring));
    printf("\"ring_refused\": \"%s\"}\n", verdict(without.by_ring));
    return 0;
}
