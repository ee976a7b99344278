/*
 * Wrong: mounts a /proc of its own and leaves the root as it is. Inside, every file of the outside has its
 * path and every mount is listed; and root inside is the owner of all that the user owns.
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4 /* linux/close_range.h, which is younger than some C libraries */
#endif

enum { FAILED = 125, NOT_EXECUTED = 127, SIGNALLED = 128 };

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

/* The processes are those of the new PID namespace: its own /proc says so. */
static void mount_proc(void)
{
    unsigned long careful = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("proc", "/proc", "proc", careful, NULL) == -1)
        die("/proc");
}

static int as_a_shell_says(int status)
{
    return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
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
    mount_proc();
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
