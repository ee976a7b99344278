/*
 * A group without any limit still keeps accounts: who used how much.
 *
 * Shown: memory.current, cpu.stat and pids.current of a group before and after its member takes
 * memory, computes and has children; and what is left of the numbers when all have ended.
 *
 *   parent (outside) --orders--> member (in the group) --done--> parent, who reads the files
 *
 * Runs as root. Man pages: cgroups(7), clock_gettime(2); the files are described in the kernel's
 * cgroup-v2.rst.
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
    MIB = 1024 * 1024,
    TAKEN = 32 * MIB,
    /* The kernel bills in batches of some dozen pages for each processor: not to the byte. */
    TOLERANCE = 8 * MIB,
    COMPUTED_MS = 300,
    CHILDREN = 2,
};

/* What the group's files say at one moment. */
struct account {
    long long memory;
    long long cpu_us;
    long long processes;
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

    if (!find_hierarchy("memory"))
        return "unavailable (no cgroup v2 with memory)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    /* Children get only the controllers enabled here. Left on: others may rely on it by now. */
    snprintf(switches, sizeof switches, "%s/cgroup.subtree_control", root);
    return verdict(write_file(switches, "+memory +pids") == -1 ? errno : 0);
}

static struct account read_account(const char *when)
{
    struct account now = {
        .memory = read_number("memory.current", ""),
        .cpu_us = read_number("cpu.stat", "usage_usec"),
        .processes = read_number("pids.current", ""),
    };
    printf("%-18s %3lld MiB  %5lld ms  %lld processes\n", when, now.memory / MIB,
           now.cpu_us / 1000, now.processes);
    return now;
}

static void take_memory(void)
{
    long page = sysconf(_SC_PAGESIZE);
    int protection = PROT_READ | PROT_WRITE;
    char *memory = mmap(NULL, TAKEN, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die_in_child("mmap");
    for (size_t at = 0; at < TAKEN; at += (size_t)page)
        ((volatile char *)memory)[at] = 1; /* billed when touched */
}

static long long used_ms(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == -1)
        die_in_child("clock_gettime");
    return (long long)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void compute(void)
{
    long long start = used_ms();
    while (used_ms() - start < COMPUTED_MS)
        continue;
}

static void have_children(pid_t children[CHILDREN])
{
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == -1)
            die_in_child("fork");
        while (children[i] == 0)
            pause();
    }
}

static void end_children(const pid_t children[CHILDREN])
{
    for (int i = 0; i < CHILDREN; i++) {
        if (kill(children[i], SIGKILL) == -1)
            die_in_child("kill");
        while (waitpid(children[i], NULL, 0) == -1)
            if (errno != EINTR)
                die_in_child("waitpid");
    }
}

/* One order is one letter; the same letter comes back when it is done. */
static _Noreturn void be_member(int orders, int done)
{
    char order;
    pid_t children[CHILDREN] = {0};

    if (write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    if (write(done, "i", 1) != 1)
        die_in_child("write");
    while (read(orders, &order, 1) == 1) {
        switch (order) {
        case 'm': take_memory(); break;
        case 'c': compute(); break;
        case 'f': have_children(children); break;
        default: end_children(children); break;
        }
        if (write(done, &order, 1) != 1)
            die_in_child("write");
    }
    _exit(0);
}

static void wait_until_done(int done)
{
    char letter;
    ssize_t got;
    do
        got = read(done, &letter, 1);
    while (got == -1 && errno == EINTR);
    if (got != 1)
        exit(1); /* the member said why on stderr */
}

static void order(int orders, int done, char what)
{
    if (write(orders, &what, 1) != 1)
        die("write");
    wait_until_done(done);
}

static void print(struct account start, struct account memory, struct account cpu,
                  struct account family, struct account end)
{
    bool given_back = end.memory < memory.memory - (TAKEN - TOLERANCE);
    printf("{\"group\": \"allowed\", \"processes_first\": %lld, ", start.processes);
    printf("\"memory_grew\": %s, ",
           json_bool(memory.memory - start.memory >= TAKEN - TOLERANCE));
    printf("\"cpu_grew\": %s, ", json_bool(cpu.cpu_us - memory.cpu_us >= COMPUTED_MS * 900));
    printf("\"processes_with_children\": %lld, ", family.processes);
    printf("\"processes_at_end\": %lld, ", end.processes);
    printf("\"memory_given_back\": %s, ", json_bool(given_back));
    printf("\"cpu_stays_billed\": %s}\n", json_bool(end.cpu_us >= cpu.cpu_us));
}

static void demonstrate(void)
{
    int orders[2], done[2];
    if (pipe2(orders, O_CLOEXEC) == -1 || pipe2(done, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t member = fork();
    if (member == -1)
        die("fork");
    if (member == 0) {
        close(orders[1]);
        close(done[0]);
        be_member(orders[0], done[1]);
    }
    close(orders[0]);
    close(done[1]);
    wait_until_done(done[0]);
    struct account start = read_account("came in");
    order(orders[1], done[0], 'm');
    struct account memory = read_account("took memory");
    order(orders[1], done[0], 'c');
    struct account cpu = read_account("computed");
    order(orders[1], done[0], 'f');
    struct account family = read_account("has children");
    order(orders[1], done[0], 'e');
    close(orders[1]); /* the end of its orders is the end of the member */
    while (waitpid(member, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    close(done[0]);
    print(start, memory, cpu, family, read_account("all ended"));
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
