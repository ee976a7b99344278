/*
 * A seccomp filter by hand: a small program in the kernel that judges every system call.
 *
 * Shown: installing it takes no_new_privs (or CAP_SYS_ADMIN); a call can be refused with an errno
 * of the filter's choice or end the process with SIGSYS; the filter survives execve; a second one
 * that allows everything takes nothing back, for the strictest verdict counts.
 *
 *   filter           the exercise
 *   filter again     what it executes: is getppid() still refused here?
 *
 * Man pages: seccomp(2), prctl(2), proc(5), signal(7).
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
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
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

enum { STILL_REFUSED = 0, STILL_ALLOWED = 3 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define IF_AT_LEAST(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), (yes), (no))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))

static struct sock_filter rules[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
#ifdef __x86_64__
    /* x32 shares the arch value; its numbers have bit 30 set and would pass the tests below */
    IF_AT_LEAST(0x40000000, 0, 1),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
#endif
    IF_EQUAL(SYS_getppid, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    IF_EQUAL(SYS_uname, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
    IF_EQUAL(SYS_mincore, 0, 1),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    /* A filter for real use lists what is allowed and refuses the rest; this is to watch. */
    ANSWER(SECCOMP_RET_ALLOW),
};

static struct sock_filter allow_all[] = {ANSWER(SECCOMP_RET_ALLOW)};

static const struct sock_fprog RULES = {.len = sizeof rules / sizeof rules[0], .filter = rules};
static const struct sock_fprog ALLOW_ALL = {.len = 1, .filter = allow_all};

/* _exit, not exit: children come here too, and must not print what the parent has buffered. */
static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another error)";
    }
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

/* seccomp(2) has no wrapper in the C library; prctl(2) is the older way to the same. */
static int install(const struct sock_fprog *program)
{
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) == 0)
        return 0;
    if (errno == ENOSYS && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0)
        return 0;
    return errno;
}

/* Called directly: getppid(3) "always succeeds", so libraries hand the error on as a number. */
static int call_getppid(void)
{
    return syscall(SYS_getppid) == -1 ? errno : 0;
}

static int call_uname(void)
{
    struct utsname name;
    return uname(&name) == -1 ? errno : 0;
}

/* The number after `key` in /proc/self/status, or -1 when this kernel has no such line. */
static long status_field(const char *key)
{
    char line[512];
    size_t length = strlen(key);
    long value = -1;
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        die("/proc/self/status");
    while (value == -1 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, length) == 0 && line[length] == ':')
            value = strtol(line + length + 1, NULL, 10);
    fclose(file);
    return value;
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

/* SIGSYS dumps core by default; the limit does not bind a core handler program, the second does. */
static void forbid_core(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1)
        die("setrlimit");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("prctl");
}

static const char *deadly_call(void)
{
    pid_t child = start_child();
    if (child == 0) {
        forbid_core();
        syscall(SYS_mincore, NULL, 0, NULL); /* what it would do does not matter */
        _exit(0);
    }
    int status = wait_for(child);
    if (!WIFSIGNALED(status))
        return "none";
    return WTERMSIG(status) == SIGSYS ? "SIGSYS" : "another signal";
}

static bool survives_exec(void)
{
    char name[] = "filter", again[] = "again";
    char *const argv[] = {name, again, NULL};
    char *const envp[] = {NULL};
    pid_t child = start_child();
    if (child == 0) {
        execve("/proc/self/exe", argv, envp);
        die("execve");
    }
    int status = wait_for(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 1)
        die("the executed program");
    return WEXITSTATUS(status) == STILL_REFUSED;
}

/* In a child, so that a success leaves the rest of the exercise alone. */
static const char *install_without_no_new_privs(void)
{
    int already = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    if (already == -1)
        die("PR_GET_NO_NEW_PRIVS");
    if (already == 1)
        return "already set";
    pid_t child = start_child();
    if (child == 0)
        _exit(install(&ALLOW_ALL));
    int status = wait_for(child);
    return WIFEXITED(status) ? verdict(WEXITSTATUS(status)) : "killed";
}

static void report_before(void)
{
    long mode = status_field("Seccomp");
    const char *without = install_without_no_new_privs();
    const char *parent = verdict(call_getppid());
    const char *name = verdict(call_uname());
    printf("before: seccomp mode %ld, getppid %s\n", mode, parent);
    printf("{\"mode_before\": %ld, \"without_no_new_privs\": \"%s\", ", mode, without);
    printf("\"getppid_before\": \"%s\", \"uname_before\": \"%s\", ", parent, name);
}

static void report_after(long filters_before)
{
    long added = status_field("Seccomp_filters") - filters_before;
    const char *parent = verdict(call_getppid());
    const char *name = verdict(call_uname());
    const char *killed_by = deadly_call();
    bool kept = survives_exec();
    /* Last, for it stays: an allowance on top of a refusal. */
    const char *second = verdict(install(&ALLOW_ALL));
    const char *still = verdict(call_getppid());

    printf("\"mode\": %ld, \"filters_added\": %ld, ", status_field("Seccomp"), added);
    printf("\"getppid_result\": \"%s\", \"uname_result\": \"%s\", ", parent, name);
    printf("\"killed_by\": \"%s\", \"survives_exec\": %s, ", killed_by, json_bool(kept));
    printf("\"install_second\": \"%s\", \"getppid_after_second\": \"%s\"}\n", second, still);
}

int main(int argc, char *argv[])
{
    if (argc == 2 && strcmp(argv[1], "again") == 0)
        return call_getppid() == EPERM ? STILL_REFUSED : STILL_ALLOWED;

    report_before();
    long filters = status_field("Seccomp_filters");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("PR_SET_NO_NEW_PRIVS");
    int error = install(&RULES);
    printf("\"install\": \"%s\"%s", verdict(error), error == 0 ? ", " : "}\n");
    if (error == 0)
        report_after(filters);
    return 0;
}
