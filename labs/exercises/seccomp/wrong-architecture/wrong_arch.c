/*
 * A system call number says nothing without the architecture it belongs to.
 *
 * Shown: a filter against getppid() with the number of x86-64 stops getppid() only there; elsewhere
 * it hits another call, and getppid() is free. A filter that looks at arch kills where it was not
 * meant to run. On x86-64 one program can make calls by the i386 table as well (int 0x80), and so
 * walk round a filter that does not look.
 *
 * Man pages: seccomp(2), syscall(2), getppid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

/* System call numbers mean nothing without the calling convention they belong to. */
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

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define LENGTH(rules) (sizeof(rules) / sizeof(rules)[0])

enum { GETPPID_ON_X86_64 = 110, GETPPID_ON_I386 = 64 };

/* THE FLAW: does not ask whose numbers these are. */
static struct sock_filter blind[] = {
    LOAD(nr),
    IF_EQUAL(GETPPID_ON_X86_64, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

/* Written for x86-64, and says so. */
static struct sock_filter for_x86_64[] = {
    LOAD(arch),
    IF_EQUAL(AUDIT_ARCH_X86_64, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    IF_EQUAL(GETPPID_ON_X86_64, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

/* Compiled for the machine it runs on, and checks that too. */
static struct sock_filter native[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    IF_EQUAL(SYS_getppid, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

enum { WENT_THROUGH = 10, REFUSED = 11 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
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

/* SIGSYS would dump core; a core handler program minds only the second of these, core(5). */
static void forbid_core(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("forbid core dumps");
}

static void install(struct sock_filter *rules, size_t length)
{
    const struct sock_fprog program = {.len = (unsigned short)length, .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
        die("PR_SET_SECCOMP");
}

static int ordinary_call(void)
{
    return syscall(SYS_getppid) == -1 ? REFUSED : WENT_THROUGH;
}

#ifdef __x86_64__
/* The 32-bit way in: number in eax, answer in eax, a negative one is an errno. */
static int call_by_int80(void)
{
    int result = GETPPID_ON_I386;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "cc", "r8", "r9", "r10", "r11");
    return result < 0 ? REFUSED : WENT_THROUGH;
}
#endif

/* The child's end: its call's outcome, or the signal of a filter (or of a missing way in). */
static const char *outcome(struct sock_filter *rules, size_t length, int (*call)(void))
{
    pid_t child = start_child();
    if (child == 0) {
        forbid_core();
        if (rules != NULL)
            install(rules, length);
        _exit(call());
    }
    int status = wait_for(child);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? "killed (SIGSYS)" : "killed (another signal)";
    if (WEXITSTATUS(status) == 1)
        _exit(1); /* it said why on stderr */
    return WEXITSTATUS(status) == WENT_THROUGH ? "allowed" : "blocked (EPERM)";
}

#define UNDER(rules, call) outcome(rules, LENGTH(rules), call)

static void back_door(void)
{
#ifdef __x86_64__
    printf("\"int80_no_filter\": \"%s\", ", outcome(NULL, 0, call_by_int80));
    printf("\"int80_blind\": \"%s\", ", UNDER(blind, call_by_int80));
    printf("\"int80_native\": \"%s\", ", UNDER(native, call_by_int80));
#endif
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("getppid is call %d here and %d on x86-64\n", (int)SYS_getppid, GETPPID_ON_X86_64);
    printf("{\"number\": %d, ", (int)SYS_getppid);
    back_door();
    printf("\"blind\": \"%s\", ", UNDER(blind, ordinary_call));
    printf("\"for_x86_64\": \"%s\", ", UNDER(for_x86_64, ordinary_call));
    printf("\"native\": \"%s\"}\n", UNDER(native, ordinary_call));
    return 0;
}
