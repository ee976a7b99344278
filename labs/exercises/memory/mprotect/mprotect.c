/*
 * Pages have permissions, and they protect a program from itself.
 *
 * Shown: constants cannot be written; a page made read-only faults until its owner allows writing
 * again; data cannot be executed where the processor can tell the two apart; whether a page may be
 * writable and executable at once, and that a process can give that up for good.
 *
 * Man pages: mprotect(2), mmap(2), prctl(2), sigaction(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OTHER_WAY = 9, UNAVAILABLE = 255 };

/* linux/prctl.h from Linux 6.3 on */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1UL
#endif

static const char constant[] = "written in the source, kept by the MMU";

static sigjmp_buf way_back;
static volatile uintptr_t fault_address;

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

/* The fault may dump core; a core handler program minds only the second of these, core(5). */
static void forbid_core(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("forbid core dumps");
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    fault_address = number == SIGSEGV ? (uintptr_t)info->si_addr : 0;
    siglongjmp(way_back, 1);
}

static void catch_faults(void)
{
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigaction(signals[i], &action, NULL) == -1)
            die("sigaction");
}

static char *new_page(size_t page)
{
    char *area = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        die("mmap");
    return area;
}

static const char *write_byte(volatile char *where)
{
    if (sigsetjmp(way_back, 1) != 0)
        return fault_address != 0 ? "SIGSEGV" : "another signal";
    *where = 'x';
    return "allowed";
}

static int protect(char *area, size_t page, int protection)
{
    return mprotect(area, page, protection) == -1 ? errno : 0;
}

/*
 * Jumps to a page of zeros. If the jump itself is refused, the fault is at the page's first byte;
 * if not, the processor takes zeros for instructions and something else happens, somewhere else.
 * THE FLAW is meant: data is called. In a child, as nobody knows what zeros do.
 */
static const char *execute_data(size_t page)
{
    pid_t child = start_child();
    if (child == 0) {
        char *area = new_page(page);
        void (*function)(void) = NULL;
        forbid_core();
        area[page - 1] = 0; /* present, so that its permissions decide */
        memcpy(&function, &area, sizeof area);
        if (sigsetjmp(way_back, 1) != 0)
            _exit(fault_address == (uintptr_t)area ? 0 : OTHER_WAY);
        function();
        _exit(OTHER_WAY);
    }
    int status = wait_for(child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "SIGSEGV" : "executed";
}

/* In a child, for there is no way back. Kernels that do not know the call refuse it. */
static const char *give_up_both(size_t page)
{
    pid_t child = start_child();
    if (child == 0) {
        if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == -1)
            _exit(UNAVAILABLE);
        int both = PROT_READ | PROT_WRITE | PROT_EXEC;
        void *area = mmap(NULL, page, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(area == MAP_FAILED ? errno : 0);
    }
    int status = wait_for(child);
    if (!WIFEXITED(status))
        return "killed";
    return WEXITSTATUS(status) == UNAVAILABLE ? "unavailable" : verdict(WEXITSTATUS(status));
}

int main(void)
{
    long size = sysconf(_SC_PAGESIZE);
    if (size <= 0)
        die("sysconf");
    size_t page = (size_t)size;
    setvbuf(stdout, NULL, _IOLBF, 0);
    catch_faults();

    char *area = new_page(page);
    const char *to_constant = write_byte((char *)(uintptr_t)constant);
    if (protect(area, page, PROT_READ) != 0)
        die("mprotect");
    const char *to_read_only = write_byte(area);
    bool unchanged = area[0] == 0;
    int undo = protect(area, page, PROT_READ | PROT_WRITE);
    const char *after_undo = write_byte(area);
    int both = protect(area, page, PROT_READ | PROT_WRITE | PROT_EXEC);

    printf("a write to a page made read-only: %s; its owner changes that: %s\n", to_read_only,
           verdict(undo));
    printf("{\"write_constant\": \"%s\", \"write_read_only\": \"%s\", ", to_constant, to_read_only);
    printf("\"unchanged\": %s, \"undo\": \"%s\", ", json_bool(unchanged), verdict(undo));
    printf("\"write_after_undo\": \"%s\", \"write_and_execute\": \"%s\", ", after_undo,
           verdict(both));
    printf("\"both_given_up\": \"%s\", ", give_up_both(page));
    printf("\"execute_data\": \"%s\"}\n", execute_data(page));
    return 0;
}
