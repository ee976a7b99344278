/*
 * Another design: the user namespace first, and as its root the others; process 1 waits for its children and for the end of
 * its parent in one poll(2), with a signalfd(2) and a pipe, so no signal has to be asked for.
 *
 * A small container: executes a command as if it were alone on a machine of its own.
 *
 *   service NAME COMMAND [ARGUMENT...]
 *
 *   outside -- init (process 1 inside) -- command (process 2)
 *
 * User, PID, mount and UTS namespaces; an empty root with a /proc in it. Process 1 takes the ends of
 * all orphans and ends with the command, and the kernel ends whatever is left with process 1.
 *
 * Man pages: namespaces(7), user_namespaces(7), pid_namespaces(7), mount_namespaces(7), unshare(2),
 * execveat(2), close_range(2), signalfd(2), poll(2).
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
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "newroot.h"

enum { FAILED = 125, NOT_EXECUTED = 127, SIGNALLED = 128 };

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
    return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Takes the ends of all that have ended. Everybody whose parent has ended is our child. -1: not the command yet. */
static int reap(pid_t command)
{
    int status, answer = -1;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
        if (ended == command)
            answer = as_a_shell_says(status);
    return answer;
}

/* Until the command has ended, or the service: then there is nobody left who holds the pipe's other end. */
static int watch(pid_t command, int children, int alive)
{
    struct pollfd ready[] = {{.fd = children, .events = POLLIN}, {.fd = alive, .events = POLLIN}};
    struct signalfd_siginfo child;
    for (;;) {
        int answer = reap(command);
        if (answer != -1)
            return answer;
        if (poll(ready, 2, -1) == -1 && errno != EINTR)
            die("poll");
        if (ready[1].revents != 0)
            return FAILED;
        if (ready[0].revents != 0)
            (void)!read(children, &child, sizeof child);
    }
}

/* What is open needs no path: nothing but the standard descriptors may get in. */
static _Noreturn void be_command(int program, char *const argv[], char *const envp[])
{
    enum { PROGRAM = STDERR_FILENO + 1 };
    if (program != PROGRAM && dup3(program, PROGRAM, O_CLOEXEC) == -1)
        die("dup3");
    closefrom(PROGRAM + 1);
    execveat(PROGRAM, "", argv, envp, AT_EMPTY_PATH);
    perror(argv[0]);
    _exit(NOT_EXECUTED);
}

static _Noreturn void be_init(const char *name, int program, char *const argv[], int alive)
{
    char *const envp[] = {NULL};
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, &before) == -1 || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        die("SIGCHLD");
    int children = signalfd(-1, &child, SFD_CLOEXEC);
    if (children == -1)
        die("signalfd");
    if (sethostname(name, strlen(name)) == -1)
        die("sethostname");
    enter_new_root();
    pid_t command = fork();
    if (command == -1)
        die("fork");
    if (command == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        be_command(program, argv, envp);
    }
    _exit(watch(command, children, alive));
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
    if (unshare(CLONE_NEWUSER) == -1)
        die("unshare, of users");
    become_root_inside(uid, gid);
    if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS) == -1)
        die("unshare");
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
