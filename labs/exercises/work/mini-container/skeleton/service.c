/*
 * A small container: executes a command as if it were alone on a machine of its own.
 *
 *   service NAME COMMAND [ARGUMENT...]
 *
 * So far it is a parent that waits for a child.
 *
 * Man pages: namespaces(7), user_namespaces(7), pid_namespaces(7), mount_namespaces(7), unshare(2),
 * execveat(2), close_range(2), PR_SET_PDEATHSIG in prctl(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "newroot.h"

enum { FAILED = 125, NOT_EXECUTED = 127, SIGNALLED = 128 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(FAILED);
}

static int as_a_shell_says(int status)
{
    return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * TODO: this is to be process 1 of the container, and the command its child. It gives the machine
 * its name, makes the new root (exchange_root() of newroot.h helps), starts the command, takes the
 * ends of all its children, and ends with the command; or with its parent.
 */
static _Noreturn void be_init(const char *name, int program, char *const argv[])
{
    char *const envp[] = {NULL};
    (void)name;
    fexecve(program, argv, envp);
    perror(argv[0]);
    _exit(NOT_EXECUTED);
}

int main(int argc, char *argv[])
{
    int status;

    if (argc < 3) {
        fprintf(stderr, "usage: service NAME COMMAND [ARGUMENT...]\n");
        return FAILED;
    }
    /* A descriptor can be executed when the path leads nowhere any more. */
    int program = open(argv[2], O_PATH | O_CLOEXEC);
    if (program == -1) {
        perror(argv[2]);
        return NOT_EXECUTED;
    }
    /* TODO: the namespaces, and who is who in them. */
    pid_t init = fork();
    if (init == -1)
        die("fork");
    if (init == 0)
        be_init(argv[1], program, argv + 2);
    while (waitpid(init, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return as_a_shell_says(status);
}
