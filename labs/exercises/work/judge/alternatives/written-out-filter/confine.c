/*
 * Another design: the filter is written out as one table, which the compiler fills in; it is installed by seccomp(2), and
 * limits come from a table too.
 *
 * What confines the program: limits on what it may take, and a seccomp filter on what it may ask of the
 * kernel. It may compute, read, write, wait and fork; nothing that reaches a file or another process.
 *
 * A list of what is allowed, and not of what is forbidden: the next kernel's new calls are not on it.
 *
 * Man pages: setrlimit(2), seccomp(2), prctl(2), clone(2), syscall(2).
 */
#include "confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
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

#define FORBIDDEN_CLONES                                                                                  \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |            \
     CLONE_NEWCGROUP | CLONE_PARENT)

#ifdef __s390x__
enum { CLONE_FLAGS = 1 }; /* there the stack comes first: clone(2) */
#else
enum { CLONE_FLAGS = 0 };
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOWER_HALF 4
#else
#define LOWER_HALF 0
#endif

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index) + LOWER_HALF)
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
/* Goes on with the next `count` rules only if what was loaded is this. */
#define ONLY_IF(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))
#define ALLOW(call) ONLY_IF((call), 1), ANSWER(SECCOMP_RET_ALLOW)
/* A signal: raise(3) and abort(3) send them to the program's first process. */
#define ON_ITSELF(call, pid)                                                                              \
    ONLY_IF((call), 4), LOAD(ARGUMENT(0)), ONLY_IF((pid), 1), ANSWER(SECCOMP_RET_ALLOW),                   \
        ANSWER(SECCOMP_RET_ERRNO | EPERM)

static int install_filter(void)
{
    const uint32_t self = (uint32_t)getpid();
    struct sock_filter rules[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
        ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
        /* What a C library needs to start, compute, read, write, wait and fork. */
        ALLOW(SYS_read), ALLOW(SYS_readv), ALLOW(SYS_write), ALLOW(SYS_writev), ALLOW(SYS_close),
        ALLOW(SYS_dup), ALLOW(SYS_dup3), ALLOW(SYS_exit), ALLOW(SYS_exit_group),
        ALLOW(SYS_brk), ALLOW(SYS_munmap), ALLOW(SYS_mremap), ALLOW(SYS_mprotect), ALLOW(SYS_madvise),
        ALLOW(SYS_rt_sigaction), ALLOW(SYS_rt_sigprocmask),
        ALLOW(SYS_rt_sigreturn), ALLOW(SYS_set_tid_address), ALLOW(SYS_getpid), ALLOW(SYS_getppid),
        ALLOW(SYS_gettid), ALLOW(SYS_getuid), ALLOW(SYS_futex),
        ALLOW(SYS_wait4), ALLOW(SYS_execve), ALLOW(SYS_nanosleep), ALLOW(SYS_sched_yield),
        ALLOW(SYS_restart_syscall),
        /* Not every architecture has these. The time of day is 64 bits wide in calls of their own on 32. */
#ifdef SYS_mmap
        ALLOW(SYS_mmap),
#endif
#ifdef SYS_mmap2
        ALLOW(SYS_mmap2),
#endif
#ifdef SYS_fcntl
        ALLOW(SYS_fcntl),
#endif
#ifdef SYS_fcntl64
        ALLOW(SYS_fcntl64),
#endif
#ifdef SYS_fork
        ALLOW(SYS_fork),
#endif
#ifdef SYS_vfork
        ALLOW(SYS_vfork),
#endif
#ifdef SYS_dup2
        ALLOW(SYS_dup2),
#endif
#ifdef SYS_pause
        ALLOW(SYS_pause),
#endif
#ifdef SYS_poll
        ALLOW(SYS_poll),
#endif
#ifdef SYS_ppoll
        ALLOW(SYS_ppoll),
#endif
#ifdef SYS_ppoll_time64
        ALLOW(SYS_ppoll_time64), ALLOW(SYS_futex_time64),
#endif
#ifdef SYS_clock_gettime
        ALLOW(SYS_clock_gettime), ALLOW(SYS_clock_nanosleep),
#endif
#ifdef SYS_clock_gettime64
        ALLOW(SYS_clock_gettime64), ALLOW(SYS_clock_nanosleep_time64),
#endif
#ifdef SYS_sigreturn
        ALLOW(SYS_sigreturn),
#endif
#ifdef SYS_waitpid
        ALLOW(SYS_waitpid),
#endif
#ifdef SYS_arch_prctl
        ALLOW(SYS_arch_prctl),
#endif
#ifdef SYS_set_thread_area
        ALLOW(SYS_set_thread_area),
#endif
#ifdef __ARM_NR_set_tls
        ALLOW(__ARM_NR_set_tls), ALLOW(__ARM_NR_cacheflush),
#endif
        ON_ITSELF(SYS_kill, self), ON_ITSELF(SYS_tkill, self), ON_ITSELF(SYS_tgkill, self),
        ONLY_IF(SYS_clone, 4), LOAD(ARGUMENT(CLONE_FLAGS)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FORBIDDEN_CLONES, 1, 0),
        ANSWER(SECCOMP_RET_ALLOW),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
#ifdef SYS_clone3
        ONLY_IF(SYS_clone3, 1), ANSWER(SECCOMP_RET_ERRNO | ENOSYS), /* makes libraries use clone */
#endif
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int confine(const struct limits *limits)
{
    /* Twice the memory: what goes beyond the limit must be able to, to be seen. */
    const struct {
        int what;
        rlim_t most;
    } table[] = {
        {RLIMIT_AS, (rlim_t)limits->memory_kib * 1024 * 2},
        {RLIMIT_CORE, 0},
        {RLIMIT_FSIZE, 0},
        {RLIMIT_NOFILE, MOST_DESCRIPTORS},
        {RLIMIT_NPROC, MOST_PROCESSES},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct rlimit both = {table[i].most, table[i].most};
        if (setrlimit(table[i].what, &both) == -1)
            return -1;
    }
    return install_filter();
}
