/*
 * Two ways to install a filter, and the threads that one of them leaves out.
 *
 * Shown: prctl(2) and seccomp(2) install the same; both bind the calling thread only, unless
 * seccomp(2) is told SECCOMP_FILTER_FLAG_TSYNC; a thread that was there before stays free otherwise.
 *
 * Man pages: seccomp(2), PR_SET_SECCOMP(2const), pthreads(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
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

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define LENGTH(rules) (sizeof(rules) / sizeof(rules)[0])

static struct sock_filter rules[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    IF_EQUAL(SYS_getpriority, 0, 1),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

static const struct sock_fprog program = {.len = LENGTH(rules), .filter = rules};

/* Exit statuses of the children; an errno of the installation is smaller than these. */
enum { BOTH_BOUND = 200, OTHER_FREE = 201, CALLER_FREE = 202 };

/* A thread that waits to be asked, calls, and answers. */
struct witness {
    pthread_t thread;
    int question[2];
    int answer[2];
};

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

static int by_prctl(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1 ? errno : 0;
}

static int by_seccomp(void)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1 ? errno : 0;
}

/* With TSYNC a positive result is the number of a thread that could not be brought in line. */
static int by_seccomp_tsync(void)
{
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return result == -1 ? errno : result > 0 ? EPERM : 0;
}

static int by_unknown_flag(void)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 31, &program) == -1 ? errno : 0;
}

/* 0 or an errno. Called directly, as the library's getpriority() interprets the result. */
static int call(void)
{
    return syscall(SYS_getpriority, PRIO_PROCESS, 0) == -1 ? errno : 0;
}

static void *testify(void *argument)
{
    struct witness *witness = argument;
    int error;
    char byte;
    if (read(witness->question[0], &byte, 1) != 1)
        die("read");
    error = call();
    if (write(witness->answer[1], &error, sizeof error) != (ssize_t)sizeof error)
        die("write");
    return NULL;
}

static void start_witness(struct witness *witness)
{
    if (pipe2(witness->question, O_CLOEXEC) == -1 || pipe2(witness->answer, O_CLOEXEC) == -1)
        die("pipe2");
    if (pthread_create(&witness->thread, NULL, testify, witness) != 0)
        die("pthread_create");
}

static int hear_witness(struct witness *witness)
{
    int error;
    if (write(witness->question[1], "?", 1) != 1)
        die("write");
    if (read(witness->answer[0], &error, sizeof error) != (ssize_t)sizeof error)
        die("read");
    if (pthread_join(witness->thread, NULL) != 0)
        die("pthread_join");
    return error;
}

/* In a child of its own, as there is no way back. */
static int try_door(int (*install)(void))
{
    pid_t child = start_child();
    if (child == 0) {
        struct witness other;
        start_witness(&other);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
            die("no_new_privs");
        int error = install();
        if (error != 0)
            _exit(error);
        if (call() != EPERM)
            _exit(CALLER_FREE);
        _exit(hear_witness(&other) == EPERM ? BOTH_BOUND : OTHER_FREE);
    }
    int status = wait_for(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static const char *bound(int outcome)
{
    switch (outcome) {
    case BOTH_BOUND: return "caller and other thread";
    case OTHER_FREE: return "caller only";
    case CALLER_FREE: return "nobody";
    default: return verdict(outcome);
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("a thread is there before the filter: is it bound by it?\n");
    printf("{\"by_prctl\": \"%s\", ", bound(try_door(by_prctl)));
    printf("\"by_seccomp\": \"%s\", ", bound(try_door(by_seccomp)));
    printf("\"by_seccomp_tsync\": \"%s\", ", bound(try_door(by_seccomp_tsync)));
    printf("\"unknown_flag\": \"%s\"}\n", bound(try_door(by_unknown_flag)));
    return 0;
}
