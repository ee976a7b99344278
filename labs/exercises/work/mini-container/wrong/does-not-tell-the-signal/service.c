/*
 * Wrong: a command that was killed by a signal counts as one that ended well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "newroot.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4 /* linux/close_range.h, which is younger than some C libraries */
#endif

enum { FAILED = 125, NOT_EXECUTED = 127 };

static const char PLACE[] = "/tmp"; /* where the new root is put together: any folder does */

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(FAILED);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) == -1)
        die(path);
}

/*
 * Root inside is who we are outside, for users and for groups. Who may not give up groups may not
 * map them either, hence "deny": user_namespaces(7).
 */
static void become_root_inside(uid_t uid, gid_t gid)
{
    char map[32];
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
    write_file("/proc/self/gid_map", map);
}

/* An empty root with nothing but /proc, which shows the PID namespace of whoever mounts it. */
static void enter_new_root(void)
{
    unsigned long careful = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k") == -1 ||
        chdir(PLACE) == -1 || mkdir("proc", 0755) == -1 ||
        mount("proc", "proc", "proc", careful, NULL) == -1)
        die("the new root");
    if (!exchange_root())
        die("exchange_root");
}

static int as_a_shell_says(int status)
{
    return WEXITSTATUS(status); /* wrong */
}

/* Everybody whose parent has ended becomes our child, and stays a zombie until we ask. */
static int reap_until(pid_t command)
{
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, 0);
        if (ended == command)
            return as_a_shell_says(status);
        if (ended == -1 && errno != EINTR)
            die("waitpid");
    }
}

/* The signal is for an end that is to come; for one that has been, `alive` is at its end already. */
static void end_with_parent(int alive)
{
    struct pollfd other_end = {.fd = alive, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
        die("PR_SET_PDEATHSIG");
    if (poll(&other_end, 1, 0) != 0)
        _exit(FAILED);
}

/* What is open needs no path: nothing but the standard descriptors may get in. */
static _Noreturn void be_command(int program, char *const argv[], char *const envp[])
{
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == -1)
        die("close_range");
    fexecve(program, argv, envp);
    perror(argv[0]);
    _exit(NOT_EXECUTED);
}

static _Noreturn void be_init(const char *name, int program, char *const argv[], int alive)
{
    char *const envp[] = {NULL};
    end_with_parent(alive);
    if (sethostname(name, strlen(name)) == -1)
        die("sethostname");
    enter_new_root();
    pid_t command = fork();
    if (command == -1)
        die("fork");
    if (command == 0)
        be_command(program, argv, envp);
    _exit(reap_until(command));
}

int main(int argc, char *argv[])
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    int alive[2], status;

    if (argc < 3) {
        fprintf(stderr, "usage: service NAME COMMAND [ARGUMENT...]\n");
        return FAILED;
    }
    int program = open(argv[2], O_PATH | O_CLOEXEC);
    if (program == -1) {
        perror(argv[2]);
        return NOT_EXECUTED;
    }
    if (pipe2(alive, O_CLOEXEC) == -1)
        die("pipe2");
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS) == -1)
        die("unshare");
    become_root_inside(uid, gid);
    pid_t init = fork(); /* the first child is process 1 of the new PID namespace */
    if (init == -1)
        die("fork");
    if (init == 0) {
        close(alive[1]);
        be_init(argv[1], program, argv + 2, alive[0]);
    }
    while (waitpid(init, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return as_a_shell_says(status);
}
