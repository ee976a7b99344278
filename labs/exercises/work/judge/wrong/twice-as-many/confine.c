/*
 * Wrong: it allows twice as many processes as it says, "to be on the safe side".
 */
#include "confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 16 };

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define THIS_ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define THIS_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define THIS_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define THIS_ARCH AUDIT_ARCH_S390X
#elif defined(__mips64) && defined(__MIPSEL__)
#define THIS_ARCH AUDIT_ARCH_MIPSEL64
#elif defined(__mips__) && defined(__MIPSEL__)
#define THIS_ARCH AUDIT_ARCH_MIPSEL
#else
#error "add the AUDIT_ARCH_ constant of this architecture"
#endif

/* What a C library needs to start, compute, read, write, wait and fork. All else is refused. */
static const int allowed[] = {
    SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_close, SYS_dup, SYS_dup3, SYS_exit, SYS_exit_group,
    SYS_brk, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_set_tid_address, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_futex,
    SYS_wait4, SYS_execve, SYS_nanosleep, SYS_sched_yield, SYS_restart_syscall,
    /* Not every architecture has these. The time of day is 64 bits wide in calls of their own on 32. */
#ifdef SYS_mmap
    SYS_mmap,
#endif
#ifdef SYS_mmap2
    SYS_mmap2,
#endif
#ifdef SYS_fcntl
    SYS_fcntl,
#endif
#ifdef SYS_fcntl64
    SYS_fcntl64,
#endif
#ifdef SYS_fork
    SYS_fork,
#endif
#ifdef SYS_vfork
    SYS_vfork,
#endif
#ifdef SYS_dup2
    SYS_dup2,
#endif
#ifdef SYS_pause
    SYS_pause,
#endif
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_ppoll
    SYS_ppoll,
#endif
#ifdef SYS_ppoll_time64
    SYS_ppoll_time64, SYS_futex_time64,
#endif
#ifdef SYS_clock_gettime
    SYS_clock_gettime, SYS_clock_nanosleep,
#endif
#ifdef SYS_clock_gettime64
    SYS_clock_gettime64, SYS_clock_nanosleep_time64,
#endif
#ifdef SYS_sigreturn
    SYS_sigreturn,
#endif
#ifdef SYS_waitpid
    SYS_waitpid,
#endif
#ifdef SYS_arch_prctl
    SYS_arch_prctl,
#endif
#ifdef SYS_set_thread_area
    SYS_set_thread_area,
#endif
#ifdef __ARM_NR_set_tls
    __ARM_NR_set_tls, __ARM_NR_cacheflush,
#endif
};

/* May be used on the program itself, by its first process: raise(3) and abort(3) do. */
static const int on_itself[] = {SYS_kill, SYS_tkill, SYS_tgkill};

#define FORBIDDEN_CLONES                                                                                  \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |            \
     CLONE_NEWCGROUP | CLONE_PARENT)

#ifdef __s390x__
enum { CLONE_FLAGS = 1 }; /* there the stack comes first: clone(2) */
#else
enum { CLONE_FLAGS = 0 };
#endif

enum { MOST_RULES = 256 };

struct filter {
    struct sock_filter rules[MOST_RULES];
    unsigned short length;
};

static void add(struct filter *filter, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    if (filter->length == MOST_RULES)
        abort(); /* rather no program than one under half a filter */
    filter->rules[filter->length++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = value};
}

static void load(struct filter *filter, size_t offset)
{
    add(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct filter *filter, uint32_t verdict)
{
    add(filter, BPF_RET | BPF_K, verdict, 0, 0);
}

/* Jumps over `count` rules unless what was loaded is this. */
static void unless(struct filter *filter, uint32_t value, uint8_t count)
{
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
}

/* Arguments are 64 bits in the machine's byte order; what we look at is in the lower half. */
static size_t argument(int index)
{
    size_t offset = offsetof(struct seccomp_data, args) + 8 * (size_t)index;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    offset += 4;
#endif
    return offset;
}

static void build_filter(struct filter *filter)
{
    load(filter, offsetof(struct seccomp_data, arch));
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0);
    answer(filter, SECCOMP_RET_KILL_PROCESS);
    load(filter, offsetof(struct seccomp_data, nr));
    /* x32's numbers, with bit 30, are in no list of ours: refused like all others. */
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        unless(filter, (uint32_t)allowed[i], 1);
        answer(filter, SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < sizeof on_itself / sizeof on_itself[0]; i++) {
        unless(filter, (uint32_t)on_itself[i], 4);
        load(filter, argument(0));
        unless(filter, (uint32_t)getpid(), 1);
        answer(filter, SECCOMP_RET_ALLOW);
        answer(filter, SECCOMP_RET_ERRNO | EPERM);
    }
    unless(filter, SYS_clone, 4);
    load(filter, argument(CLONE_FLAGS));
    add(filter, BPF_JMP | BPF_JSET | BPF_K, FORBIDDEN_CLONES, 1, 0);
    answer(filter, SECCOMP_RET_ALLOW);
    answer(filter, SECCOMP_RET_ERRNO | EPERM);
#ifdef SYS_clone3
    unless(filter, SYS_clone3, 1); /* its flags are in memory; ENOSYS makes libraries use clone */
    answer(filter, SECCOMP_RET_ERRNO | ENOSYS);
#endif
    answer(filter, SECCOMP_RET_ERRNO | EPERM);
}

static int install_filter(void)
{
    struct filter filter = {.length = 0};
    build_filter(&filter);
    struct sock_fprog program = {.len = filter.length, .filter = filter.rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int limit(int what, rlim_t most)
{
    struct rlimit both = {most, most};
    return setrlimit(what, &both);
}

/* Twice the memory: what goes beyond the limit must be able to, to be seen. */
static int set_limits(const struct limits *limits)
{
    if (limit(RLIMIT_AS, (rlim_t)limits->memory_kib * 1024 * 2) == -1 || limit(RLIMIT_CORE, 0) == -1 ||
        limit(RLIMIT_FSIZE, 0) == -1 || limit(RLIMIT_NOFILE, MOST_DESCRIPTORS) == -1)
        return -1;
    return limit(RLIMIT_NPROC, 2 * MOST_PROCESSES);
}

int confine(const struct limits *limits)
{
    return set_limits(limits) == -1 || install_filter() == -1 ? -1 : 0;
}
