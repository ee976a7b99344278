/*
 * Stopping and ending a whole group: cgroup.freeze and cgroup.kill.
 *
 * Shown: a counting process stops counting when its group is frozen; SIGCONT does not help it;
 * thawed, it counts on. Then the group is killed while it is frozen, all of it: also the daemon
 * that had left its parent, its session and its process group, and blocks every signal it can.
 *
 *   parent (outside) -- counter (in the group) -- (gone) -- daemon (in the group)
 *
 * Runs as root; needs Linux 5.14. Man pages: cgroups(7), signal(7), setsid(2); the files are
 * described in the kernel's cgroup-v2.rst, "Core Interface Files".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
    TICK_US = 1000,
    LISTEN_US = 300 * 1000,   /* how long we watch a process that should stand still */
    PATIENCE = 60 * 1000,     /* how many ticks we wait for one that should move */
};

static char root[PATH_SIZE]; /* where the hierarchy is mounted */
static char group[PATH_SIZE];

static atomic_int *counter; /* in memory shared with the children */

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
    case ENOENT: return "blocked (ENOENT)";
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
    if (!find_hierarchy())
        return "unavailable (no cgroup v2)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    return "allowed";
}

/* setsid() and the death of its parent make it nobody's: no kill() by group would reach it. */
static _Noreturn void be_daemon(int alive)
{
    sigset_t all;
    sigfillset(&all);
    if (setsid() == -1 || sigprocmask(SIG_SETMASK, &all, NULL) == -1)
        die_in_child("daemon");
    if (write(alive, "a", 1) != 1)
        die_in_child("write");
    for (;;)
        pause(); /* `alive` stays open until we are killed */
}

static void start_daemon(int alive)
{
    pid_t middle = fork();
    if (middle == -1)
        die_in_child("fork");
    if (middle == 0) {
        pid_t orphan = fork();
        if (orphan == 0)
            be_daemon(alive);
        _exit(orphan == -1);
    }
    while (waitpid(middle, NULL, 0) == -1)
        if (errno != EINTR)
            die_in_child("waitpid");
}

static _Noreturn void count(int alive)
{
    if (write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    start_daemon(alive);
    close(alive);
    for (;;) {
        atomic_fetch_add(counter, 1);
        usleep(TICK_US);
    }
}

static bool counts_on(void)
{
    int before = atomic_load(counter);
    for (int tick = 0; tick < PATIENCE; tick++) {
        if (atomic_load(counter) > before)
            return true;
        usleep(TICK_US);
    }
    return false;
}

static bool moved_while_watched(void)
{
    int before = atomic_load(counter);
    usleep(LISTEN_US);
    return atomic_load(counter) != before;
}

/* Freezing is asked for; that it has happened is said by cgroup.events. */
static bool freeze(void)
{
    if (write_in_group("cgroup.freeze", "1") == -1)
        die("cgroup.freeze");
    for (int tick = 0; tick < PATIENCE; tick++) {
        if (read_number("cgroup.events", "frozen") == 1)
            return true;
        usleep(TICK_US);
    }
    return false;
}

/* A byte, or the end of the stream: nobody has the other end any more. */
static ssize_t receive(int fd)
{
    char byte;
    ssize_t got;
    do
        got = read(fd, &byte, 1);
    while (got == -1 && errno == EINTR);
    return got;
}

static void watch_and_kill(pid_t child, int alive)
{
    bool daemon = receive(alive) == 1;
    bool counted = counts_on();
    bool frozen = freeze();
    bool moved = moved_while_watched();
    if (kill(child, SIGCONT) == -1)
        die("kill");
    bool continued = moved_while_watched();
    if (write_in_group("cgroup.freeze", "0") == -1)
        die("cgroup.freeze");
    bool thawed = counts_on();

    int status;
    bool frozen_again = freeze();
    if (write_in_group("cgroup.kill", "1") == -1)
        die("cgroup.kill");
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool daemon_gone = daemon && receive(alive) == 0;
    printf("counted to %d, then the group was killed\n", atomic_load(counter));
    printf("{\"group\": \"allowed\", \"counts\": %s, ", json_bool(counted));
    printf("\"frozen\": %s, \"moves_while_frozen\": %s, ", json_bool(frozen), json_bool(moved));
    printf("\"moves_after_sigcont\": %s, ", json_bool(continued));
    printf("\"moves_when_thawed\": %s, ", json_bool(thawed));
    printf("\"killed_while_frozen\": %s, ", json_bool(frozen_again && killed));
    printf("\"daemon_killed_too\": %s}\n", json_bool(daemon_gone));
}

static void demonstrate(void)
{
    int alive[2];
    int protection = PROT_READ | PROT_WRITE;
    counter = mmap(NULL, sizeof *counter, protection, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counter == MAP_FAILED)
        die("mmap");
    if (pipe2(alive, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        close(alive[0]);
        count(alive[1]);
    }
    close(alive[1]);
    watch_and_kill(child, alive[0]);
    close(alive[0]);
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
