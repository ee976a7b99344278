/*
 * A page that may not be touched, put where an overflow would arrive.
 *
 * Shown: a buffer that overflows destroys its neighbour without anybody noticing; with a PROT_NONE
 * page in between the first byte too many is a SIGSEGV at exactly that address; the kernel, asked to
 * write there, answers EFAULT; the stack has such a limit too.
 *
 * Man pages: mmap(2), mprotect(2), sigaction(2), getrlimit(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOO_MANY = 16, PATTERN = 0x5a, SMALL_STACK = 256 * 1024 };

static sigjmp_buf way_back;
static volatile uintptr_t fault_address;
static volatile sig_atomic_t fault_code;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
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

/* SIGSEGV would dump core; a core handler program minds only the second of these, core(5). */
static void forbid_core(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("forbid core dumps");
}

/* The only sensible thing to do after a real SIGSEGV is to end; this one we provoke ourselves. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    fault_address = (uintptr_t)info->si_addr;
    fault_code = info->si_code;
    siglongjmp(way_back, 1);
}

static void catch_faults(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    if (sigaction(SIGSEGV, &action, NULL) == -1)
        die("sigaction");
}

static char *three_pages(size_t page)
{
    char *area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        die("mmap");
    return area;
}

/* THE FLAW: writes past the end. volatile, so that the compiler does as it is told. */
static void overflow(volatile char *buffer, size_t size)
{
    for (size_t i = 0; i < size + TOO_MANY; i++)
        buffer[i] = PATTERN;
}

/* True if the overflow was stopped by a fault. */
static bool overflow_faults(char *buffer, size_t size)
{
    if (sigsetjmp(way_back, 1) != 0)
        return true;
    overflow(buffer, size);
    return false;
}

/* The kernel looks before it writes for us: read(2) into the guard fails, nobody is killed. */
static const char *kernel_writes(char *where)
{
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        die("/dev/zero");
    ssize_t got = read(fd, where, 1);
    int error = errno;
    close(fd);
    if (got == 1)
        return "allowed";
    return error == EFAULT ? "blocked (EFAULT)" : "blocked (another errno)";
}

static int descend(volatile int depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    return depth < 1 << 30 ? descend(depth + 1) + frame[0] : frame[0];
}

static const char *endless_recursion(void)
{
    const struct rlimit small = {SMALL_STACK, SMALL_STACK};
    pid_t child = start_child();
    if (child == 0) {
        forbid_core();
        if (signal(SIGSEGV, SIG_DFL) == SIG_ERR || setrlimit(RLIMIT_STACK, &small) == -1)
            die("prepare");
        _exit(descend(0) == 0);
    }
    int status = wait_for(child);
    if (!WIFSIGNALED(status))
        return "ends by itself";
    return WTERMSIG(status) == SIGSEGV ? "SIGSEGV" : "another signal";
}

int main(void)
{
    long size = sysconf(_SC_PAGESIZE);
    if (size <= 0)
        die("sysconf");
    size_t page = (size_t)size;
    setvbuf(stdout, NULL, _IOLBF, 0);
    catch_faults();

    char *area = three_pages(page);
    bool unguarded_stopped = overflow_faults(area, page);
    bool neighbour_changed = area[page] == PATTERN;

    char *guarded = three_pages(page);
    char *guard = guarded + page;
    if (mprotect(guard, page, PROT_NONE) == -1)
        die("mprotect");
    bool stopped = overflow_faults(guarded, page);
    bool at_first_byte = fault_address == (uintptr_t)guard;
    bool by_permission = fault_code == SEGV_ACCERR;
    bool neighbour_safe = guarded[2 * page] == 0;
    const char *kernel = kernel_writes(guard);

    printf("without a guard the overflow %s; with one it %s\n",
           unguarded_stopped ? "is stopped" : "goes unnoticed", stopped ? "is stopped" : "is not");
    printf("{\"unguarded_stopped\": %s, \"neighbour_changed\": %s, ", json_bool(unguarded_stopped),
           json_bool(neighbour_changed));
    printf("\"guarded_stopped\": %s, \"at_first_byte\": %s, ", json_bool(stopped),
           json_bool(at_first_byte));
    printf("\"by_permission\": %s, \"neighbour_safe\": %s, ", json_bool(by_permission),
           json_bool(neighbour_safe));
    printf("\"kernel_writes\": \"%s\", \"recursion\": \"%s\"}\n", kernel, endless_recursion());
    return 0;
}
