/*
 * A container that shares the outside's PID namespace (--pid=host): every process of the outside has a number inside, and
 * /proc/PID/root is a way to that process's files.
 *
 *   outside/canary      what is to be reached; the container's root is empty but for /proc
 *
 * Shown: with the PID namespace shared, root reads the file by /proc/PID/root of a process outside; with one of its own the
 * process has no number; and with it shared but without CAP_SYS_PTRACE the way is closed.
 *
 * Runs as root of a machine with a kernel of its own. Man pages: proc_pid_root(5), pid_namespaces(7), ptrace(2) ("Ptrace access
 * mode checking"), capabilities(7).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>

#include "../newroot.h"

enum flag { SHARES_NUMBERS, HAS_ITS_OWN, SHARES_WITHOUT_PTRACE, SHARES_BY_NAME };

static char canary[4096];

static void drop_ptrace(void)
{
    struct __user_cap_header_struct who = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &who, sets) == -1)
        die("capget");
    sets[0].effective &= ~(1u << CAP_SYS_PTRACE);
    sets[0].permitted &= ~(1u << CAP_SYS_PTRACE);
    if (syscall(SYS_capset, &who, sets) == -1)
        die("capset");
}

static int open_it(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return error;
}

static int attack(enum flag flag, pid_t outside)
{
    char way[sizeof canary + 64];
    enter_new_root("place");
    if (flag == SHARES_WITHOUT_PTRACE)
        drop_ptrace();
    if (flag == SHARES_BY_NAME)
        return open_it(canary);
    snprintf(way, sizeof way, "/proc/%d/root%s", (int)outside, canary);
    return open_it(way);
}

/* 0 or an errno, from a container that is made with or without the flag. */
static const char *run(enum flag flag, pid_t outside)
{
    pid_t maker = start_child();
    if (maker == 0) {
        int own = flag == HAS_ITS_OWN ? CLONE_NEWPID : 0;
        if (unshare(CLONE_NEWNS | own) == -1)
            _exit(errno);
        pid_t inside = start_child();
        if (inside == 0)
            _exit(attack(flag, outside));
        _exit(WEXITSTATUS(wait_for(inside)));
    }
    return verdict(WEXITSTATUS(wait_for(maker)));
}

int main(void)
{
    if (getcwd(canary, sizeof canary - 16) == NULL)
        die("getcwd");
    strcat(canary, "/canary");
    int fd = open(canary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || close(fd) == -1 || (mkdir("place", 0755) == -1 && errno != EEXIST))
        die("setting up");
    /* A process of the outside with all that root has: without CAP_SYS_PTRACE one may not look at those who have more. */
    pid_t outside = start_child();
    if (outside == 0)
        for (;;)
            pause();
    printf("{\"by_name\": \"%s\", ", run(SHARES_BY_NAME, outside));
    fflush(stdout);
    printf("\"shared\": \"%s\", ", run(SHARES_NUMBERS, outside));
    fflush(stdout);
    printf("\"own\": \"%s\", ", run(HAS_ITS_OWN, outside));
    fflush(stdout);
    printf("\"without_ptrace\": \"%s\"}\n", run(SHARES_WITHOUT_PTRACE, outside));
    kill(outside, SIGKILL);
    wait_for(outside);
    return 0;
}
