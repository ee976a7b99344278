/*
 * Another design: clone(2) makes process 1 in all four namespaces at once, and the maps are written from outside, by its
 * parent. Process 1 waits for a byte that says so; the same pipe tells it later that the parent is gone.
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
 * Man pages: namespaces(7), user_namespaces(7), pid_namespaces(7), mount_namespaces(7), clone(2),
 * execveat(2), close_range(2), PR_SET_PDEATHSIG in prctl(2).
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

enum { FAILED = 125, NOT_EXECUTED = 127, SIGNALLED = 128, STACK = 64 * 1024 };

static const char PLACE[] = "/tmp"; /* where the new root is put together: any folder does */

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(FAILED);
}

/* A file of /proc/PID. */
static void write_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) == -1)
        die(path);
}

/*
 * Root inside is who we are outside, for users and for groups. Who may not give up groups may not
 * map them either, hence "deny": user_namespaces(7).
 */
static void map_to_root(pid_t pid)
{
    char map[32];
    write_file(pid, "setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    write_file(pid, "uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", (unsigned)getegid());
    write_file(pid, "gid_map", map);
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

/* The signal is for an end that is to come; for one that has been, the pipe is at its end already. */
static void wait_for_maps(int parent)
{
    struct pollfd other_end = {.fd = parent, .events = POLLIN};
    char byte;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1 || read(parent, &byte, 1) != 1 ||
        poll(&other_end, 1, 0) != 0)
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

struct order {
    char *const *argv; /* NAME, COMMAND and its arguments */
    int program;
    int from_parent[2];
};

static int be_init(void *given)
{
    const struct order *order = given;
    char *const envp[] = {NULL}, *name = order->argv[0];
    close(order->from_parent[1]);
    wait_for_maps(order->from_parent[0]);
    if (sethostname(name, strlen(name)) == -1)
        die("sethostname");
    enter_new_root();
    pid_t command = fork();
    if (command == -1)
        die("fork");
    if (command == 0)
        be_command(order->program, order->argv + 1, envp);
    _exit(reap_until(command));
}

int main(int argc, char *argv[])
{
    static _Alignas(16) char stack[STACK]; /* of process 1, which has a copy of all memory */
    struct order order = {.argv = argv + 1};
    int status;

    if (argc < 3) {
        fprintf(stderr, "usage: service NAME COMMAND [ARGUMENT...]\n");
        return FAILED;
    }
    order.program = open(argv[2], O_PATH | O_CLOEXEC);
    if (order.program == -1) {
        perror(argv[2]);
        return NOT_EXECUTED;
    }
    if (pipe2(order.from_parent, O_CLOEXEC) == -1)
        die("pipe2");
    int alone = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS;
    pid_t init = clone(be_init, stack + STACK, alone | SIGCHLD, &order); /* the stack grows downwards */
    if (init == -1)
        die("clone");
    map_to_root(init);
    close(order.from_parent[0]);
    if (write(order.from_parent[1], "!", 1) != 1)
        die("write");
    while (waitpid(init, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return as_a_shell_says(status);
}
