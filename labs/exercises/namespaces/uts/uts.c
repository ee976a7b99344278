/*
 * A UTS namespace holds the host name and the NIS domain name, no more (uts_namespaces(7)),
 * which makes it the shortest demonstration of what a namespace is: a process that moved into
 * a new one calls the machine something else, and nobody outside notices.
 *
 * Making one needs CAP_SYS_ADMIN (unshare(2)). An ordinary user can get that from a user
 * namespace made in the same call, where the kernel lets it: user_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char NEW_NAME[] = "cits3007";

/* What the child that called unshare() reports; the errors are 0 or an errno. */
struct report {
    int unshare_error;
    int sethostname_error;
    char name[65];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static void get_name(char *name, size_t size)
{
    if (gethostname(name, size) == -1)
        die("gethostname");
    name[size - 1] = '\0';
}

static _Noreturn void child(int flags, int out)
{
    struct report report = {0};
    if (unshare(flags) == -1)
        report.unshare_error = errno;
    else if (sethostname(NEW_NAME, strlen(NEW_NAME)) == -1)
        report.sethostname_error = errno;
    get_name(report.name, sizeof report.name);
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(out, &report, sizeof report) != (ssize_t)sizeof report)
        die("write");
    _exit(0);
}

static void read_report(int in, struct report *report)
{
    ssize_t got;
    do
        got = read(in, report, sizeof *report);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof *report)
        die("read");
}

/* A child of its own for each attempt: unshare() cannot be undone. */
static struct report rename_in_namespace(int flags)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        child(flags, ends[1]);
    }
    close(ends[1]);
    struct report report;
    read_report(ends[0], &report);
    close(ends[0]);
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return report;
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another errno)";
    }
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    char before[65], after[65];
    get_name(before, sizeof before);
    struct report plain = rename_in_namespace(CLONE_NEWUTS);
    struct report user = rename_in_namespace(CLONE_NEWUSER | CLONE_NEWUTS);
    get_name(after, sizeof after);
    printf("outside the machine is called %s; inside the new namespace: %s\n", after,
           user.unshare_error == 0 ? user.name : "(no namespace to be had)");

    bool renamed = user.unshare_error == 0 && user.sethostname_error == 0 &&
                   strcmp(user.name, NEW_NAME) == 0;
    printf("{\"plain_unshare\": \"%s\", ", verdict(plain.unshare_error));
    printf("\"userns_unshare\": \"%s\", ", verdict(user.unshare_error));
    printf("\"sethostname_inside\": \"%s\", ",
           user.unshare_error == 0 ? verdict(user.sethostname_error) : "not tried");
    printf("\"inside_hostname_changed\": %s, ", json(renamed));
    printf("\"outside_unchanged\": %s}\n", json(strcmp(before, after) == 0));
    return 0;
}
