/*
 * A filter can answer for the kernel: with an errno, and even with a lie.
 *
 * Shown: an errno of the filter's choice; the number 0, by which the call "succeeds" without having
 * happened; a rule on an argument, right and wrong. Arguments are 64 bits in the machine's own byte
 * order, a filter loads 32 at a time: who forgets that has a hole on big-endian machines.
 *
 * Man pages: seccomp(2), setpriority(2), mkdir(2), errno(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define LENGTH(rules) (sizeof(rules) / sizeof(rules)[0])

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { LOW_HALF = 4 };
#else
enum { LOW_HALF = 0 };
#endif

#define PROLOGUE \
    LOAD(arch), IF_EQUAL(THIS_ARCH, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr)
#define LOAD_AT(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define FIRST_ARGUMENT offsetof(struct seccomp_data, args)

static struct sock_filter refuse_mkdir[] = {
    PROLOGUE,
    IF_EQUAL(SYS_mkdirat, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | ENOSPC),
    ANSWER(SECCOMP_RET_ALLOW),
};

/* THE LIE: errno 0 is no error. */
static struct sock_filter pretend_mkdir[] = {
    PROLOGUE,
    IF_EQUAL(SYS_mkdirat, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | 0),
    ANSWER(SECCOMP_RET_ALLOW),
};

/* getpriority(PRIO_USER, …) is refused, other kinds are not. */
static struct sock_filter judge_argument[] = {
    PROLOGUE,
    IF_EQUAL(SYS_getpriority, 0, 3),
    LOAD_AT(FIRST_ARGUMENT + LOW_HALF),
    IF_EQUAL(PRIO_USER, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

/* THE FLAW: the first four bytes are the low half on little-endian machines only. */
static struct sock_filter judge_first_bytes[] = {
    PROLOGUE,
    IF_EQUAL(SYS_getpriority, 0, 3),
    LOAD_AT(FIRST_ARGUMENT),
    IF_EQUAL(PRIO_USER, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

enum answer { ALLOWED = 10, NO_SPACE, NOT_PERMITTED, OTHER_ERROR, SUCCESS_WITHOUT_EFFECT };

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

static void install(struct sock_filter *rules, size_t length)
{
    const struct sock_fprog program = {.len = (unsigned short)length, .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
        die("PR_SET_SECCOMP");
}

static enum answer answer_of(long result)
{
    if (result != -1)
        return ALLOWED;
    return errno == ENOSPC ? NO_SPACE : errno == EPERM ? NOT_PERMITTED : OTHER_ERROR;
}

static enum answer make_directory(void)
{
    struct stat made;
    enum answer answer = answer_of(syscall(SYS_mkdirat, AT_FDCWD, "made", 0700));
    if (answer != ALLOWED)
        return answer;
    if (stat("made", &made) == -1)
        return SUCCESS_WITHOUT_EFFECT;
    return rmdir("made") == 0 ? ALLOWED : OTHER_ERROR;
}

static enum answer ask_for_user(void)
{
    return answer_of(syscall(SYS_getpriority, PRIO_USER, 0));
}

static enum answer ask_for_process(void)
{
    return answer_of(syscall(SYS_getpriority, PRIO_PROCESS, 0));
}

static const char *under(struct sock_filter *rules, size_t length, enum answer (*call)(void))
{
    pid_t child = start_child();
    if (child == 0) {
        install(rules, length);
        _exit((int)call());
    }
    int status = wait_for(child);
    switch (WIFEXITED(status) ? WEXITSTATUS(status) : 0) {
    case ALLOWED: return "allowed";
    case NO_SPACE: return "blocked (ENOSPC)";
    case NOT_PERMITTED: return "blocked (EPERM)";
    case SUCCESS_WITHOUT_EFFECT: return "success without effect";
    default: return "something else";
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("a directory on a full disk that is not full, one that is not made, and half a number\n");
    printf("{\"refused\": \"%s\", ", under(refuse_mkdir, LENGTH(refuse_mkdir), make_directory));
    printf("\"pretended\": \"%s\", ", under(pretend_mkdir, LENGTH(pretend_mkdir), make_directory));
    printf("\"user\": \"%s\", ", under(judge_argument, LENGTH(judge_argument), ask_for_user));
    printf("\"process\": \"%s\", ", under(judge_argument, LENGTH(judge_argument), ask_for_process));
    printf("\"user_first_bytes\": \"%s\"}\n",
           under(judge_first_bytes, LENGTH(judge_first_bytes), ask_for_user));
    return 0;
}
