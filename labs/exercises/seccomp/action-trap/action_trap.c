/*
 * A filter that calls for help: SECCOMP_RET_TRAP sends the thread SIGSYS and tells it about the call.
 *
 * Shown: what siginfo_t holds: that it was seccomp, number and architecture of the call, and 16 bits
 * of the filter's choice. A process that blocks SIGSYS is killed instead.
 *
 * Man pages: seccomp(2), sigaction(2), syscall(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of a trap, sigaction(2); not in every C library's headers */
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define LENGTH(rules) (sizeof(rules) / sizeof(rules)[0])

enum { NOTE = 42 };

static struct sock_filter rules[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    IF_EQUAL(SYS_getppid, 0, 1),
    ANSWER(SECCOMP_RET_TRAP | NOTE),
    ANSWER(SECCOMP_RET_ALLOW),
};

/* Written by the handler, read after the call: the signal is synchronous, nothing races. */
static volatile sig_atomic_t times, code, note, number;
static volatile unsigned int architecture;

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

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    times = times + 1;
    code = info->si_code;
    note = info->si_errno;
    number = info->si_syscall;
    architecture = info->si_arch;
}

/* Blocked means: the kernel cannot deliver what it must deliver now. */
static const char *fate_when_blocked(void)
{
    pid_t child = start_child();
    if (child == 0) {
        sigset_t set;
        forbid_core();
        sigemptyset(&set);
        sigaddset(&set, SIGSYS);
        if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
            die("sigprocmask");
        syscall(SYS_getppid);
        _exit(0);
    }
    int status = wait_for(child);
    if (!WIFSIGNALED(status))
        return "lives";
    return WTERMSIG(status) == SIGSYS ? "killed by SIGSYS" : "killed by another signal";
}

int main(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_sigsys;
    action.sa_flags = SA_SIGINFO;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sigaction(SIGSYS, &action, NULL) == -1)
        die("sigaction");
    install(rules, LENGTH(rules));
    syscall(SYS_getppid);
    printf("the handler learns: call %d of architecture %#x\n", (int)number, architecture);
    printf("{\"handler_ran\": %d, \"by_seccomp\": %s, \"note\": %d, ", (int)times,
           json_bool(code == SYS_SECCOMP), (int)note);
    printf("\"number\": %d, \"number_is_getppid\": %s, ", (int)number,
           json_bool(number == SYS_getppid));
    printf("\"architecture\": \"%#x\", \"architecture_is_ours\": %s, ", architecture,
           json_bool(architecture == THIS_ARCH));
    printf("\"blocked\": \"%s\"}\n", fate_when_blocked());
    return 0;
}
