/*
 * Entering somebody else's namespaces: setns(2), which is what nsenter(1) calls.
 *
 * Shown: a process enters the user and the UTS namespace of another one of the same user, and
 * then the machine has the name that one gave it; the UTS namespace alone is refused; there
 * is no way back into the old one; and the namespaces of root's process 1 cannot even be opened.
 *
 *   main --- host (makes the namespaces, waits)
 *        --- guest (enters those of the host)
 *
 * Man pages: setns(2), namespaces(7), user_namespaces(7), ptrace(2) (access mode checks).
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

static const char NEW_NAME[] = "entered";

enum { NAME_SIZE = 65 };

/* What the guest found; the errors are 0 or an errno. */
struct report {
    int uts_alone;
    int user;
    int uts;
    int back;
    char name[NAME_SIZE];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another errno)";
    }
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

/* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
static void send_report(int out, const struct report *report)
{
    if (write(out, report, sizeof *report) != (ssize_t)sizeof *report)
        die("write");
}

static void receive_report(int in, struct report *report)
{
    ssize_t got;
    do
        got = read(in, report, sizeof *report);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof *report)
        _exit(1); /* the child said why on stderr */
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

static void get_name(char name[NAME_SIZE])
{
    if (gethostname(name, NAME_SIZE) == -1)
        die("gethostname");
    name[NAME_SIZE - 1] = '\0';
}

static int open_namespace(pid_t process, const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)process, kind);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Says 0 or an errno, and stays until `leave` is closed: its namespaces are there as long as it. */
static _Noreturn void be_host(int out, int leave)
{
    char nothing;
    int error = 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) == -1 ||
        sethostname(NEW_NAME, strlen(NEW_NAME)) == -1)
        error = errno;
    if (write(out, &error, sizeof error) != (ssize_t)sizeof error)
        die("write");
    while (read(leave, &nothing, 1) == -1 && errno == EINTR)
        continue;
    _exit(0);
}

static _Noreturn void be_guest(pid_t host, int out)
{
    struct report report = {0};
    int user = open_namespace(host, "user"), uts = open_namespace(host, "uts");
    int old_uts = open_namespace(getpid(), "uts");
    if (user == -1 || uts == -1 || old_uts == -1)
        die("/proc/PID/ns");
    report.uts_alone = setns(uts, CLONE_NEWUTS) == -1 ? errno : 0;
    report.user = setns(user, CLONE_NEWUSER) == -1 ? errno : 0;
    report.uts = setns(uts, CLONE_NEWUTS) == -1 ? errno : 0;
    get_name(report.name);
    report.back = setns(old_uts, CLONE_NEWUTS) == -1 ? errno : 0;
    send_report(out, &report);
    _exit(0);
}

/* The namespaces of process 1: we are not allowed to look into it, so not to enter it either. */
static const char *open_those_of_init(void)
{
    int fd = open_namespace(1, "uts");
    if (fd == -1)
        return verdict(errno);
    close(fd);
    return verdict(0);
}

static struct report enter(pid_t host)
{
    struct report report;
    int ends[2];
    make_pipe(ends);
    pid_t guest = fork();
    if (guest == -1)
        die("fork");
    if (guest == 0) {
        close(ends[0]);
        be_guest(host, ends[1]);
    }
    close(ends[1]);
    receive_report(ends[0], &report);
    close(ends[0]);
    wait_for(guest);
    return report;
}

static void print(struct report guest, bool unchanged)
{
    printf("{\"namespaces\": \"allowed\", \"uts_alone\": \"%s\", ", verdict(guest.uts_alone));
    printf("\"enter_user\": \"%s\", ", verdict(guest.user));
    printf("\"enter_uts\": \"%s\", ", verdict(guest.uts));
    printf("\"new_name_seen\": %s, ", json(strcmp(guest.name, NEW_NAME) == 0));
    printf("\"way_back\": \"%s\", ", verdict(guest.back));
    printf("\"name_outside_unchanged\": %s, ", json(unchanged));
    printf("\"open_init\": \"%s\"}\n", open_those_of_init());
}

int main(void)
{
    int ready[2], leave[2], error = 0;
    char before[NAME_SIZE], after[NAME_SIZE];

    setvbuf(stdout, NULL, _IOLBF, 0);
    get_name(before);
    make_pipe(ready);
    make_pipe(leave);
    pid_t host = fork();
    if (host == -1)
        die("fork");
    if (host == 0) {
        close(ready[0]);
        close(leave[1]);
        be_host(ready[1], leave[0]);
    }
    close(ready[1]);
    close(leave[0]);
    if (read(ready[0], &error, sizeof error) != (ssize_t)sizeof error)
        die("read");
    if (error == 0) {
        struct report guest = enter(host);
        get_name(after);
        print(guest, strcmp(before, after) == 0);
    } else {
        printf("{\"namespaces\": \"%s\", ", verdict(error));
        printf("\"open_init\": \"%s\"}\n", open_those_of_init());
    }
    close(leave[1]);
    wait_for(host);
    return 0;
}
