/*
 * Three doors into another process's memory, and three processes behind them.
 *
 * Doors: process_vm_readv(2), ptrace(2), /proc/PID/mem. Processes: an own child; an own child that made
 * itself "not dumpable"; process 1, another user's. One check of the kernel stands at all three
 * doors; a seccomp filter stands only at those that are system calls of their own.
 *
 * Man pages: ptrace(2) ("Ptrace access mode checking"), process_vm_readv(2), proc_pid_mem(5),
 * PR_SET_DUMPABLE(2const).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECRET = 4711, WRONG_CONTENT = -1 };

static volatile int treasure;

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
    case ENOENT: return "blocked (ENOENT)"; /* proc(5): hidepid hides the folders of others */
    case ENOSYS: return "blocked (ENOSYS)";
    case EIO: return "blocked (EIO)";
    case WRONG_CONTENT: return "open, but wrong content";
    default: return "blocked (another errno)";
    }
}

/* Holds the secret until its end of `hold` closes; says when it is ready. */
static _Noreturn void be_target(bool dumpable, int ready, int hold)
{
    char byte;
    treasure = SECRET;
    if (!dumpable && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("PR_SET_DUMPABLE");
    if (write(ready, "r", 1) != 1)
        die("write");
    while (read(hold, &byte, 1) == -1 && errno == EINTR)
        ;
    _exit(0);
}

struct target {
    pid_t pid;
    int hold;
};

static struct target start_target(bool dumpable)
{
    int ready[2], hold[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(hold, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(hold[1]);
        be_target(dumpable, ready[1], hold[0]);
    }
    close(ready[1]);
    close(hold[0]);
    if (read(ready[0], &byte, 1) != 1)
        die("read");
    close(ready[0]);
    return (struct target){pid, hold[1]};
}

static void end_target(struct target target)
{
    close(target.hold);
    while (waitpid(target.pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

static int by_call(pid_t pid)
{
    int value = 0;
    struct iovec to = {&value, sizeof value};
    struct iovec from = {(void *)&treasure, sizeof treasure};
    if (process_vm_readv(pid, &to, 1, &from, 1, 0) == -1)
        return errno == EFAULT ? 0 : errno; /* EFAULT comes after the check: we were let in */
    return value == SECRET ? 0 : WRONG_CONTENT;
}

static int by_file(pid_t pid)
{
    char path[64];
    int value = 0;
    snprintf(path, sizeof path, "/proc/%ld/mem", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    ssize_t got = pread(fd, &value, sizeof value, (off_t)(uintptr_t)&treasure);
    int error = got == -1 ? errno : got == (ssize_t)sizeof value && value == SECRET ? 0 : WRONG_CONTENT;
    close(fd);
    return error;
}

/* PTRACE_SEIZE attaches without stopping; then stop, read a word, let go. */
static int by_ptrace(pid_t pid)
{
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1)
        return errno;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1 || waitpid(pid, NULL, 0) != pid)
        die("PTRACE_INTERRUPT");
    long word = 0;
    /* aligned, as some architectures insist; the word is wider than an int on 64-bit machines */
    uintptr_t address = (uintptr_t)&treasure, start = address & ~(uintptr_t)(sizeof word - 1);
    errno = 0;
    word = ptrace(PTRACE_PEEKDATA, pid, (void *)start, NULL);
    int error = errno;
    int value;
    memcpy(&value, (const char *)&word + (address - start), sizeof value);
    bool right = error == 0 && value == SECRET;
    if (ptrace(PTRACE_DETACH, pid, NULL, NULL) == -1)
        die("PTRACE_DETACH");
    return error != 0 ? error : right ? 0 : WRONG_CONTENT;
}

/* The keys are those of the three doors. */
static void try_child(const char *const keys[3], bool dumpable)
{
    struct target target = start_target(dumpable);
    printf("\"%s\": \"%s\", ", keys[0], verdict(by_call(target.pid)));
    printf("\"%s\": \"%s\", ", keys[1], verdict(by_file(target.pid)));
    printf("\"%s\": \"%s\", ", keys[2], verdict(by_ptrace(target.pid)));
    end_target(target);
}

static bool process_1_is_ours(void)
{
    struct stat owner;
    return stat("/proc/1", &owner) == 0 && owner.st_uid == geteuid();
}

int main(void)
{
    static const char *const child[] = {"child_call", "child_file", "child_ptrace"};
    static const char *const undumpable[] = {"undumpable_call", "undumpable_file",
                                             "undumpable_ptrace"};
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing buffered that a child could print again */
    printf("three doors, three targets\n{");
    try_child(child, true);
    try_child(undumpable, false);
    bool ours = process_1_is_ours();
    printf("\"process_1_call\": \"%s\", ", ours ? "not tried (ours)" : verdict(by_call(1)));
    printf("\"process_1_file\": \"%s\", ", ours ? "not tried (ours)" : verdict(by_file(1)));
    printf("\"process_1_ptrace\": \"%s\"}\n", ours ? "not tried (ours)" : verdict(by_ptrace(1)));
    return 0;
}
