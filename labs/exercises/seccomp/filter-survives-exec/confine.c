/*
 * The three steps of a launcher: make a filter, install it, execute the program to be confined.
 *
 *   confine ask     may the filter be installed?
 *   confine         installs it and executes ./linker
 *
 * Shown: the executed program knows nothing of the filter, and is bound by it; so are its children;
 * without no_new_privs an unprivileged launcher may not install it.
 *
 * Man pages: seccomp(2), prctl(2), execve(2), symlink(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

/* Refuses symbolic links with an errno a file system would not give, so that its origin shows. */
static struct sock_filter rules[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    IF_EQUAL(SYS_symlinkat, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EDOM),
#ifdef SYS_symlink /* the older call to the same end: who forgets it has a hole */
    IF_EQUAL(SYS_symlink, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EDOM),
#endif
    ANSWER(SECCOMP_RET_ALLOW),
};

static const struct sock_fprog program = {.len = LENGTH(rules), .filter = rules};

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

static int install(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1 ? errno : 0;
}

/* May it be installed without the promise, and with it? Only the first may fail. */
static void ask(void)
{
    int already = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    const char *without = already == 1 ? "already set" : verdict(install());
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("no_new_privs");
    const char *with = verdict(install());
    printf("{\"without_no_new_privs\": \"%s\", \"install\": \"%s\"}\n", without, with);
}

int main(int argc, char **argv)
{
    char *const environment[] = {NULL};
    if (argc == 2 && strcmp(argv[1], "ask") == 0) {
        ask();
        return 0;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("no_new_privs");
    if (install() != 0)
        die("seccomp");
    execle("./linker", "linker", (char *)NULL, environment);
    die("./linker");
}
