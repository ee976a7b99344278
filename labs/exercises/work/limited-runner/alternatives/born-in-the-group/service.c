/*
 * Another design: clone3(2) makes the child in the group (CLONE_INTO_CGROUP), so it was never anywhere else; the
 * name of the group is made by mkdtemp(3).
 *
 * Runs a command in a control group of its own, with a limit on memory and one on processes, and
 * tells how it ended:
 *
 *   service MEMORY PIDS COMMAND [ARGUMENT...]
 *
 * The command is in the group before it is executed: what it forks is born there, and what it
 * allocates is charged there, from the first page on.
 *
 * Runs as root. Man pages: cgroups(7), clone(2), execve(2), waitpid(2), poll(2); the files of a group
 * are described in the kernel's Documentation/admin-guide/cgroup-v2.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIERARCHY "/sys/fs/cgroup"

enum { FAILED = 125, NOT_EXECUTED = 127, PATH_SIZE = 256, CONTENT_SIZE = 512 };

static char group[PATH_SIZE]; /* empty as long as there is none */

static bool in_group(char path[PATH_SIZE], const char *file)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", group, file);
    if (length >= 0 && length < PATH_SIZE)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* A control file takes one value by one write(2). */
static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

static bool set(const char *file, const char *value)
{
    char path[PATH_SIZE];
    return in_group(path, file) && write_file(path, value);
}

/* The number after a word in one of the lines of an open file; -1 if there is none. */
static long number_after(int fd, const char *word)
{
    char content[CONTENT_SIZE], *rest = NULL;
    ssize_t length = pread(fd, content, sizeof content - 1, 0);
    if (length == -1)
        return -1;
    content[length] = '\0';
    for (char *line = strtok_r(content, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        if (strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ')
            return strtol(line + strlen(word), NULL, 10);
    return -1;
}

static int open_in_group(const char *file)
{
    char path[PATH_SIZE];
    return in_group(path, file) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* The signal of the command tells nothing: whoever may kill it can send SIGKILL. The group counts. */
static bool killed_for_memory(void)
{
    int fd = open_in_group("memory.events");
    if (fd == -1)
        return false;
    long kills = number_after(fd, "oom_kill");
    close(fd);
    return kills > 0;
}

/* cgroup.events is a file to be polled: its content changes when the last process has gone. */
static bool wait_until_empty(void)
{
    int fd = open_in_group("cgroup.events");
    if (fd == -1)
        return false;
    struct pollfd change = {.fd = fd, .events = POLLPRI};
    while (number_after(fd, "populated") == 1)
        if (poll(&change, 1, -1) == -1 && errno != EINTR)
            break;
    close(fd);
    return true;
}

/* What the command left behind ends with it. A group can be removed when nobody is in it. */
static bool remove_group(void)
{
    if (group[0] == '\0')
        return true;
    bool gone = set("cgroup.kill", "1") && wait_until_empty() && rmdir(group) == 0;
    if (!gone)
        perror(group);
    group[0] = '\0';
    return gone;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    remove_group();
    exit(FAILED);
}

/* The name is one that nobody has, for others may run at the same time. */
static void make_group(const char *memory, const char *pids)
{
    char path[] = HIERARCHY "/limited-XXXXXX";

    if (!write_file(HIERARCHY "/cgroup.subtree_control", "+memory +pids"))
        die("cgroup.subtree_control");
    if (mkdtemp(path) == NULL)
        die(path);
    strcpy(group, path);
    if (!set("memory.max", memory) || !set("pids.max", pids))
        die("the limits");
    /* Else it would be swapped out instead. Absent in a kernel without swap. */
    if (!set("memory.swap.max", "0") && errno != ENOENT)
        die("memory.swap.max");
}

/* As fork(2), but the child is in the group from its first instruction on. */
static pid_t fork_into_group(void)
{
    int folder = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder == -1)
        return -1;
    struct clone_args how = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)folder};
    pid_t child = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    int error = errno;
    close(folder);
    errno = error;
    return child;
}

/* In the child. What fails is told through `tell`. */
static _Noreturn void become(char *const argv[], int tell)
{
    execv(argv[0], argv);
    int error = errno;
    if (write(tell, &error, sizeof error) != (ssize_t)sizeof error)
        perror(argv[0]);
    _exit(NOT_EXECUTED);
}

/* The child's end of the pipe is closed by a successful execve(2): then there is nothing to read. */
static int error_of_exec(int hear)
{
    int error;
    ssize_t got;
    do
        got = read(hear, &error, sizeof error);
    while (got == -1 && errno == EINTR);
    return got == (ssize_t)sizeof error ? error : 0;
}

static int run(char *const argv[], int *error)
{
    int tell[2], status;

    if (pipe2(tell, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = fork_into_group();
    if (child == -1)
        die("clone3");
    if (child == 0)
        become(argv, tell[1]);
    close(tell[1]);
    *error = error_of_exec(tell[0]);
    close(tell[0]);
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static void report(int status, bool memory)
{
    const char *how = WIFSIGNALED(status) ? "killed" : "exited";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    fprintf(stderr, "%s %d memory=%s\n", how, number, memory ? "yes" : "no");
}

int main(int argc, char *argv[])
{
    int error;

    if (argc < 4) {
        fprintf(stderr, "usage: service MEMORY PIDS COMMAND [ARGUMENT...]\n");
        return FAILED;
    }
    make_group(argv[1], argv[2]);
    int status = run(argv + 3, &error);
    bool memory = killed_for_memory();
    bool removed = remove_group();
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", argv[3], strerror(error));
        return NOT_EXECUTED;
    }
    report(status, memory);
    return removed ? 0 : FAILED;
}
