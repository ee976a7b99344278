/*
 * Being at the root of all groups: a cgroup namespace, cgroup_namespaces(7).
 *
 * Shown: a process in a control group reads the group's path in /proc/self/cgroup; after it made a
 * cgroup namespace, its group is the root, and those outside are found above the root, by "/..";
 * who stayed outside reads the same path as before. Only names change: it is still in its group, and
 * the group's limit on processes, which refuses it a child, refuses it one afterwards too.
 *
 * Runs as root, for it makes a group. Man pages: cgroup_namespaces(7), cgroups(7), unshare(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

enum { PATH_SIZE = 256, REMOVE_TRIES = 100 };

/* What the process in the group saw; `unshare` and what forking gave are 0 or an errno. */
struct report {
    int unshare;
    int fork_free;    /* without a limit */
    int fork_limited; /* with one, and the namespace */
    char before[PATH_SIZE];
    char after[PATH_SIZE];
    char parent[PATH_SIZE];
};

static char root[PATH_SIZE]; /* where the hierarchy is mounted */
static char group[PATH_SIZE];

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1); /* runs remove_group; children leave by _exit and do not */
}

static _Noreturn void die_in_child(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EAGAIN: return "blocked (EAGAIN)";
    case EBUSY: return "blocked (EBUSY)";
    case EINVAL: return "blocked (EINVAL)";
    case EPERM: return "blocked (EPERM)";
    case EROFS: return "blocked (EROFS)";
    default: return "blocked (another errno)";
    }
}

static void path_in_group(char path[PATH_SIZE], const char *file)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", group, file);
    if (length < 0 || length >= PATH_SIZE) {
        errno = ENAMETOOLONG;
        die(file);
    }
}

/* Control files take one value per write(2). */
static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int write_in_group(const char *file, const char *text)
{
    char path[PATH_SIZE];
    path_in_group(path, file);
    return write_file(path, text);
}

/* Finds where the version 2 hierarchy is mounted. */
static bool find_hierarchy(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *mount;
    bool found = false;
    if (mounts == NULL)
        die("/proc/self/mounts");
    while (!found && (mount = getmntent(mounts)) != NULL)
        if (strcmp(mount->mnt_type, "cgroup2") == 0)
            found = snprintf(root, sizeof root, "%s", mount->mnt_dir) < (int)sizeof root;
    endmntent(mounts);
    return found;
}

/* A group can be removed when no process is left in it; the last may still be on its way out. */
static void remove_group(void)
{
    for (int try = 0; try < REMOVE_TRIES; try++) {
        if (rmdir(group) == 0)
            return;
        if (errno != EBUSY)
            break;
        usleep(10 * 1000);
    }
    perror(group);
}

static void name_group(void)
{
    const char *tag = getenv("ISOLAB_TAG");
    int length = snprintf(group, sizeof group, "%s/isolab-%s", root, tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= PATH_SIZE) {
        errno = ENAMETOOLONG;
        die("ISOLAB_TAG");
    }
}

static const char *make_group(void)
{
    char switches[PATH_SIZE + 32];

    if (!find_hierarchy())
        return "unavailable (no cgroup v2)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    /* Left on afterwards: others may rely on it by now. */
    snprintf(switches, sizeof switches, "%s/cgroup.subtree_control", root);
    return verdict(write_file(switches, "+pids") == -1 ? errno : 0);
}

/* The path in the line "0::PATH", which is version 2's: cgroups(7), "/proc files". */
static void read_path(const char *process, char path[PATH_SIZE])
{
    char file[64], line[PATH_SIZE];
    snprintf(file, sizeof file, "/proc/%s/cgroup", process);
    FILE *stream = fopen(file, "re");
    path[0] = '\0';
    if (stream == NULL)
        return;
    while (fgets(line, sizeof line, stream) != NULL)
        if (strncmp(line, "0::", 3) == 0)
            snprintf(path, PATH_SIZE, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    fclose(stream);
}

/* 0 if a child can be made, or an errno. */
static int try_fork(void)
{
    pid_t child = fork();
    if (child == -1)
        return errno;
    if (child == 0)
        _exit(0);
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die_in_child("waitpid");
    return 0;
}

/* Stays until `leave` is closed, so that the parent can look at it. */
static _Noreturn void be_member(int out, int leave)
{
    struct report report = {0};
    char parent[32], nothing;

    snprintf(parent, sizeof parent, "%d", (int)getppid());
    if (write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    read_path("self", report.before);
    report.fork_free = try_fork();
    if (write_in_group("pids.max", "1") == -1) /* it is that one itself */
        die_in_child("pids.max");
    if (unshare(CLONE_NEWCGROUP) == -1)
        report.unshare = errno;
    report.fork_limited = try_fork();
    read_path("self", report.after);
    read_path(parent, report.parent);
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(out, &report, sizeof report) != (ssize_t)sizeof report)
        die_in_child("write");
    while (read(leave, &nothing, 1) == -1 && errno == EINTR)
        continue;
    _exit(0);
}

static void receive(int in, struct report *report)
{
    ssize_t got;
    do
        got = read(in, report, sizeof *report);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof *report)
        exit(1); /* the member said why on stderr */
}

static void print(const struct report *seen, const char *from_outside)
{
    const char *name = strrchr(group, '/');
    printf("before: %s; after: %s; its parent is at %s; seen from outside: %s\n", seen->before,
           seen->after, seen->parent, from_outside);
    printf("{\"group\": \"allowed\", \"unshare\": \"%s\", ", verdict(seen->unshare));
    printf("\"fork_without_limit\": \"%s\", ", verdict(seen->fork_free));
    printf("\"fork_beyond_limit\": \"%s\", ", verdict(seen->fork_limited));
    printf("\"name_before\": %s, ", json_bool(strstr(seen->before, name) != NULL));
    printf("\"path_after\": \"%s\", ", strcmp(seen->after, "/") == 0 ? "/" : "longer");
    printf("\"parent_above_root\": %s, ", json_bool(strncmp(seen->parent, "/..", 3) == 0));
    printf("\"name_from_outside\": %s}\n", json_bool(strstr(from_outside, name) != NULL));
}

static void demonstrate(void)
{
    struct report report;
    int ends[2], leave[2];
    char number[32], from_outside[PATH_SIZE];

    if (pipe2(ends, O_CLOEXEC) == -1 || pipe2(leave, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t member = fork();
    if (member == -1)
        die("fork");
    if (member == 0) {
        close(ends[0]);
        close(leave[1]);
        be_member(ends[1], leave[0]);
    }
    close(ends[1]);
    close(leave[0]);
    receive(ends[0], &report);
    snprintf(number, sizeof number, "%d", (int)member);
    read_path(number, from_outside);
    close(leave[1]); /* now it may go */
    close(ends[0]);
    while (waitpid(member, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    print(&report, from_outside);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    const char *made = make_group();
    if (strcmp(made, "allowed") == 0)
        demonstrate();
    else
        printf("{\"group\": \"%s\"}\n", made);
    return 0;
}
