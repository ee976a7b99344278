/*
 * A memory limit by cgroup: the group may have 8 MiB, and the kernel means it.
 *
 * Shown: a child that stays below the limit ends normally; one that touches 32 MiB is killed by
 * the out-of-memory killer of the group with SIGKILL; its parent, outside the group, is not; the
 * group's files account for both.
 *
 * Runs as root, for it makes a cgroup. Man pages: cgroups(7), signal(7), mmap(2); the memory.*
 * files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT_GROUP "/sys/fs/cgroup"

enum {
    MIB = 1024 * 1024,
    LIMIT = 8 * MIB,
    MODEST = 2 * MIB,
    GREEDY = 32 * MIB,
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
};

static char group[PATH_SIZE];

/* In the parent this runs remove_group (atexit); children leave by _exit and do not. */
static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
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

static void make_group(const char *tag)
{
    int length = snprintf(group, sizeof group, ROOT_GROUP "/isolab-%s", tag);
    if (length < 0 || (size_t)length >= sizeof group) {
        errno = ENAMETOOLONG;
        die("ISOLAB_TAG");
    }
    /* Children get only the controllers enabled here. Left on: others may rely on it by now. */
    if (write_file(ROOT_GROUP "/cgroup.subtree_control", "+memory") == -1)
        die("enabling the memory controller");
    if (mkdir(group, 0755) == -1)
        die(group);
    if (atexit(remove_group) != 0)
        die("atexit");
}

static void set_limits(void)
{
    char path[PATH_SIZE], number[32];
    snprintf(number, sizeof number, "%d", (int)LIMIT);
    path_in_group(path, "memory.max");
    if (write_file(path, number) == -1)
        die(path);
    /* Else the group would be swapped out instead of killed. Absent in a kernel without swap. */
    path_in_group(path, "memory.swap.max");
    if (write_file(path, "0") == -1 && errno != ENOENT)
        die(path);
}

/* Memory counts when it is touched, not when it is mapped. */
static void touch(size_t size)
{
    long page = sysconf(_SC_PAGESIZE);
    int protection = PROT_READ | PROT_WRITE;
    char *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die_in_child("mmap");
    for (size_t at = 0; at < size; at += (size_t)page)
        ((volatile char *)memory)[at] = 1;
}

/* The child enters the group itself, before it allocates: memory is charged where it is touched. */
static int run_in_group(size_t size)
{
    char path[PATH_SIZE];
    int status;

    path_in_group(path, "cgroup.procs");
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        if (write_file(path, "0") == -1) /* 0 is the writer itself */
            die_in_child(path);
        touch(size);
        _exit(0);
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static const char *fate(int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGKILL ? "SIGKILL" : "another signal";
    return WEXITSTATUS(status) == 0 ? "none" : "failed";
}

int main(void)
{
    const char *tag = getenv("ISOLAB_TAG");

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    make_group(tag != NULL ? tag : "by-hand");
    set_limits();
    const char *modest = fate(run_in_group(MODEST));
    printf("a child that touches %d MiB: signal %s\n", MODEST / MIB, modest);
    long long kills_before = read_number("memory.events", "oom_kill");
    const char *greedy = fate(run_in_group(GREEDY));
    printf("a child that touches %d MiB: signal %s\n", GREEDY / MIB, greedy);

    long long limit = read_number("memory.max", "");
    long long kills = read_number("memory.events", "oom_kill");
    long long peak = read_number("memory.peak", "");
    printf("{\"limit_bytes\": %lld, \"modest_signal\": \"%s\", ", limit, modest);
    printf("\"child_signal\": \"%s\", \"oom_kill\": %s, ", greedy,
           json_bool(kills_before == 0 && kills >= 1));
    printf("\"peak_at_most_limit\": %s, ", json_bool(peak > MODEST && peak <= limit));
    printf("\"parent_survived\": true}\n"); /* nobody else could say so */
    return 0;
}
