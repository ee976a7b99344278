/*
 * Two ways to kill: the thread that called, or the whole process.
 *
 * Shown: with one thread there is no difference. With two, KILL_THREAD leaves a process behind in
 * which nobody has noticed that a thread is gone; KILL_PROCESS ends both.
 *
 * Man pages: seccomp(2), pthread_create(3), tkill(2), core(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
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

enum { THREAD_GONE = 7, THREAD_LIVES = 8, PATIENCE_MS = 60 * 1000 };

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

/* The forbidden call is mincore(2): nothing else here needs it. */
static void install(unsigned int verdict)
{
    struct sock_filter rules[] = {
        LOAD(arch), IF_EQUAL(THIS_ARCH, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),   IF_EQUAL(SYS_mincore, 0, 1), ANSWER(verdict),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = LENGTH(rules), .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        die("no_new_privs");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
        die("PR_SET_SECCOMP");
}

static void forbidden_call(void)
{
    syscall(SYS_mincore, NULL, 0, NULL);
}

/* Tells its number, then does what it must not. */
static void *offend(void *announce)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    if (write(*(int *)announce, &self, sizeof self) != (ssize_t)sizeof self)
        die("write");
    forbidden_call();
    for (;;)
        pause();
}

/* Whoever joined a thread that was killed would wait for ever; so ask the kernel for it instead. */
static bool is_gone(pid_t thread)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (syscall(SYS_tgkill, getpid(), thread, 0) == -1 && errno == ESRCH)
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static _Noreturn void with_second_thread(void)
{
    int announce[2];
    pthread_t thread;
    pid_t number;
    if (pipe(announce) == -1)
        die("pipe");
    if (pthread_create(&thread, NULL, offend, &announce[1]) != 0)
        die("pthread_create");
    if (read(announce[0], &number, sizeof number) != (ssize_t)sizeof number)
        die("read");
    _exit(is_gone(number) ? THREAD_GONE : THREAD_LIVES);
}

static const char *fate(unsigned int verdict, bool threads)
{
    pid_t child = start_child();
    if (child == 0) {
        forbid_core();
        install(verdict);
        if (threads)
            with_second_thread();
        forbidden_call();
        _exit(0);
    }
    int status = wait_for(child);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? "process ends by SIGSYS" : "another signal";
    if (WEXITSTATUS(status) == 1)
        _exit(1); /* it said why on stderr */
    return WEXITSTATUS(status) == THREAD_GONE ? "thread gone, process lives" : "nothing happens";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *thread_of_one = fate(SECCOMP_RET_KILL_THREAD, false);
    const char *process_of_one = fate(SECCOMP_RET_KILL_PROCESS, false);
    const char *thread_of_two = fate(SECCOMP_RET_KILL_THREAD, true);
    const char *process_of_two = fate(SECCOMP_RET_KILL_PROCESS, true);
    printf("one of two threads offends: %s, or %s\n", thread_of_two, process_of_two);
    printf("{\"thread_of_one\": \"%s\", \"process_of_one\": \"%s\", ", thread_of_one, process_of_one);
    printf("\"thread_of_two\": \"%s\", \"process_of_two\": \"%s\"}\n", thread_of_two,
           process_of_two);
    return 0;
}
