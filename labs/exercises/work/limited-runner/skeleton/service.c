/*
 * Runs a command in a control group of its own, with a limit on memory and one on processes, and
 * tells how it ended:
 *
 *   service MEMORY PIDS COMMAND [ARGUMENT...]
 *
 * Runs as root. Man pages: cgroups(7), fork(2), execve(2), waitpid(2), poll(2); the files of a group
 * are described in the kernel's Documentation/admin-guide/cgroup-v2.rst.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIERARCHY "/sys/fs/cgroup"

enum { FAILED = 125, NOT_EXECUTED = 127 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(FAILED);
}

/* TODO: a group below HIERARCHY, with the controllers it needs and the limits. */
static void make_group(const char *memory, const char *pids)
{
    (void)memory;
    (void)pids;
}

/* TODO: what does the group know about it? */
static bool killed_for_memory(void)
{
    return false;
}

/* TODO: ends what the command left behind, and removes the group. */
static void remove_group(void)
{
}

/* TODO: the child has to be in the group when it executes the command. */
static int run(char *const argv[])
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(NOT_EXECUTED);
    }
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
    if (argc < 4) {
        fprintf(stderr, "usage: service MEMORY PIDS COMMAND [ARGUMENT...]\n");
        return FAILED;
    }
    make_group(argv[1], argv[2]);
    int status = run(argv + 3);
    bool memory = killed_for_memory();
    remove_group();
    report(status, memory);
    return 0; /* TODO: NOT_EXECUTED, without a report, if the command could not be executed */
}
