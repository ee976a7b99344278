/*
 * An ordinary program without a word about seccomp: it makes a symbolic link, has a child make one,
 * and then, as a person who found it confined might, asks to have the filter taken off.
 *
 *   linker free     without a filter, for comparison
 *   linker          what the launcher executes
 *
 * Man pages: symlink(2), seccomp(2), proc_pid_status(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *make_link(void)
{
    if (symlink("nowhere", "a-link") == 0)
        return unlink("a-link") == 0 ? "allowed" : "allowed, but stays";
    return errno == EDOM ? "blocked (EDOM)" : "blocked (another errno)";
}

/* PR_SET_SECCOMP(2const): 0 would be "no seccomp"; there is no such mode to ask for. */
static const char *take_off(void)
{
    if (prctl(PR_SET_SECCOMP, 0, 0, 0, 0) == 0)
        return "allowed";
    return errno == EINVAL ? "blocked (EINVAL)" : "blocked (another errno)";
}

static const char *child_makes_link(void)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        _exit(strcmp(make_link(), "allowed") == 0 ? 0 : 2);
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status == 0 ? "allowed" : "blocked";
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "free") == 0) {
        printf("{\"free\": \"%s\"}\n", make_link());
        return 0;
    }
    /* One statement each: the order in which arguments are evaluated is unspecified. */
    const char *program = make_link();
    const char *its_child = child_makes_link();
    const char *off = take_off();
    const char *after_that = make_link();
    printf("{\"program\": \"%s\", \"its_child\": \"%s\", ", program, its_child);
    printf("\"take_off\": \"%s\", \"after_that\": \"%s\"}\n", off, after_that);
    return 0;
}
