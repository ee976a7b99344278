/*
 * A limit on the number of processes: what makes a fork bomb harmless.
 *
 * Shown: in a group with pids.max 8 a process forks until it is told EAGAIN; how many that were;
 * that the limit holds for the group and not for the user, who can fork outside; and that there is
 * room again when one has ended.
 *
 * Runs as root, whom RLIMIT_NPROC would not bind (getrlimit(2)). Man pages: cgroups(7), fork(2);
 * the pids.* files are described in the kernel's cgroup-v2.rst, "PID".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
    FAR_TOO_MANY = 64, /* the bomb stops here in any case */
};

/* What the process inside the group saw. */
struct report {
    int children;
    long long current; /* pids.current at that moment */
    int error;         /* of the fork() that failed */
    int error_with_room;
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
    case EAGAIN: return "blocked (EAGAIN)";
    case EACCES: return "blocked (EACCES)";
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

/* The number in a file of the group, or after `key` in one of its lines; -1 if there is none. */
static long long read_number(const char *file, const char *key)
{
    char path[PATH_SIZE], line[128];
    long long value = -1;
    size_t length = strlen(key);

    path_in_group(path, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return -1;
    while (value == -1 && fgets(line, sizeof line, stream) != NULL)
        if (length == 0 || (strncmp(line, key, length) == 0 && line[length] == ' '))
            value = strtoll(line + length, NULL, 10);
    fclose(stream);
    return value;
}

/* Whether the word `controller` stands in this hierarchy's cgroup.controllers. */
static bool offers(const char *hierarchy, const char *controller)
{
    char path[PATH_SIZE], words[256] = "";
    int length = snprintf(path, sizeof path, "%s/cgroup.controllers", hierarchy);
    if (length < 0 || length >= PATH_SIZE)
        return false;
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return false;
    bool read = fgets(words, sizeof words, stream) != NULL;
    fclose(stream);
    for (char *word = read ? strtok(words, " \n") : NULL; word != NULL; word = strtok(NULL, " \n"))
        if (strcmp(word, controller) == 0)
            return true;
    return false;
}

/* Finds where a version 2 hierarchy with the controller is mounted. */
static bool find_hierarchy(const char *controller)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *mount;
    bool found = false;
    if (mounts == NULL)
        die("/proc/self/mounts");
    while (!found && (mount = getmntent(mounts)) != NULL)
        if (strcmp(mount->mnt_type, "cgroup2") == 0 && offers(mount->mnt_dir, controller))
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

    if (!find_hierarchy("pids"))
        return "unavailable (no cgroup v2 with pids)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    /* Children get only the controllers enabled here. Left on: others may rely on it by now. */
    snprintf(switches, sizeof switches, "%s/cgroup.subtree_control", root);
    return verdict(write_file(switches, "+pids") == -1 ? errno : 0);
}

static void reap(pid_t child)
{
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die_in_child("waitpid");
}

static void kill_and_reap(pid_t child)
{
    if (kill(child, SIGKILL) == -1)
        die_in_child("kill");
    reap(child);
}

/* Like fork(), but the child only waits for its end. */
static pid_t fork_idle(void)
{
    pid_t child = fork();
    while (child == 0)
        pause();
    return child;
}

/* The bomb: forks until it cannot, makes room, and tries once more. */
static _Noreturn void be_bomb(int out)
{
    struct report report = {0};
    pid_t children[FAR_TOO_MANY];

    if (write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    while (report.children < FAR_TOO_MANY && report.error == 0) {
        pid_t child = fork_idle();
        if (child == -1)
            report.error = errno;
        else
            children[report.children++] = child;
    }
    report.current = read_number("pids.current", "");
    kill_and_reap(children[0]);
    children[0] = fork_idle();
    report.error_with_room = children[0] == -1 ? errno : 0;
    for (int i = report.error_with_room == 0 ? 0 : 1; i < report.children; i++)
        kill_and_reap(children[i]);
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(out, &report, sizeof report) != (ssize_t)sizeof report)
        die_in_child("write");
    _exit(0);
}

static struct report explode(void)
{
    struct report report;
    int ends[2];
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t bomb = fork();
    if (bomb == -1)
        die("fork");
    if (bomb == 0) {
        close(ends[0]);
        be_bomb(ends[1]);
    }
    close(ends[1]);
    do
        got = read(ends[0], &report, sizeof report);
    while (got == -1 && errno == EINTR);
    close(ends[0]);
    reap(bomb);
    if (got != (ssize_t)sizeof report)
        exit(1); /* the bomb said why on stderr */
    return report;
}

/* The parent is outside the group: the limit is none of its business. */
static const char *fork_outside(void)
{
    pid_t child = fork();
    if (child == -1)
        return verdict(errno);
    if (child == 0)
        _exit(0);
    reap(child);
    return verdict(0);
}

static void demonstrate(void)
{
    if (write_in_group("pids.max", "8") == -1)
        die("pids.max");
    struct report report = explode();
    long long counted = read_number("pids.events", "max");
    printf("limit %lld: one process and its %d children, then %s\n", read_number("pids.max", ""),
           report.children, verdict(report.error));
    printf("{\"group\": \"allowed\", \"children\": %d, ", report.children);
    printf("\"current\": %lld, \"fork\": \"%s\", ", report.current, verdict(report.error));
    printf("\"fork_with_room\": \"%s\", ", verdict(report.error_with_room));
    printf("\"fork_outside\": \"%s\", \"refusal_counted\": %s, ", fork_outside(),
           json_bool(counted >= 1));
    printf("\"current_afterwards\": %lld}\n", read_number("pids.current", ""));
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
