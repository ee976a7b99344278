/*
 * A limit on block I/O: a group may read one MiB in a second from a disk.
 *
 * Shown: what io.max says to a device that does not exist; and on a machine that has a disk, that
 * io.stat counts the bytes read, and that reading two MiB then takes its time. Only reads, and
 * nothing of what is read is looked at.
 *
 * Runs as root. Man pages: cgroups(7), open(2) (O_DIRECT), sysfs(5); the io.* files are described
 * in the kernel's cgroup-v2.rst, "IO Interface Files".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
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
    PATH_SIZE = 512,
    REMOVE_TRIES = 100,
    CHUNK = 64 * 1024,
    CHUNKS = 32, /* 2 MiB in all */
    PER_SECOND = 1024 * 1024,
    ENOUGH_SECTORS = 2 * CHUNK * CHUNKS / 512,
};

static char root[PATH_SIZE]; /* where the hierarchy is mounted */
static char group[PATH_SIZE];

static char device[PATH_SIZE]; /* the disk: /dev/... */
static char number[32];        /* and its numbers as "major:minor" */

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
    case ENODEV: return "blocked (ENODEV)";
    case EOPNOTSUPP: return "blocked (EOPNOTSUPP)";
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

    if (!find_hierarchy("io"))
        return "unavailable (no cgroup v2 with io)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    /* Children get only the controllers enabled here. Left on: others may rely on it by now. */
    snprintf(switches, sizeof switches, "%s/cgroup.subtree_control", root);
    return verdict(write_file(switches, "+io") == -1 ? errno : 0);
}

static bool read_line(const char *path, char *line, int size)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return false;
    bool read = fgets(line, size, stream) != NULL;
    fclose(stream);
    line[strcspn(line, "\n")] = '\0';
    return read;
}

/* A disk we may open, with something on it; loop and memory devices come and go. */
static bool is_disk(const char *name)
{
    char path[PATH_SIZE], sectors[32];
    if (strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0 ||
        strncmp(name, "zram", 4) == 0 || strncmp(name, "sr", 2) == 0)
        return false;
    if (snprintf(path, sizeof path, "/sys/block/%s/size", name) >= (int)sizeof path ||
        !read_line(path, sectors, sizeof sectors) || strtoll(sectors, NULL, 10) < ENOUGH_SECTORS)
        return false;
    if (snprintf(path, sizeof path, "/sys/block/%s/dev", name) >= (int)sizeof path ||
        !read_line(path, number, sizeof number))
        return false;
    return snprintf(device, sizeof device, "/dev/%s", name) < (int)sizeof device &&
           access(device, R_OK) == 0;
}

static bool find_disk(void)
{
    DIR *disks = opendir("/sys/block");
    struct dirent *entry;
    bool found = false;
    if (disks == NULL)
        return false;
    while (!found && (entry = readdir(disks)) != NULL)
        found = entry->d_name[0] != '.' && is_disk(entry->d_name);
    closedir(disks);
    return found;
}

static double now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        die("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* O_DIRECT: from the disk, not from the page cache, which costs the group no I/O. */
static _Noreturn void read_disk(void)
{
    if (write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd == -1)
        die_in_child(device);
    void *buffer = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        die_in_child("mmap");
    for (int i = 0; i < CHUNKS; i++)
        if (pread(fd, buffer, CHUNK, (off_t)i * CHUNK) != CHUNK)
            die_in_child("pread");
    _exit(0);
}

/* The seconds a child in the group takes for its two MiB. */
static double time_reading(void)
{
    int status;
    double start = now();
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        read_disk();
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        exit(1); /* it said why on stderr */
    return now() - start;
}

/* rbytes=N in the device's line of io.stat. */
static long long bytes_read(void)
{
    char path[PATH_SIZE], line[512];
    long long bytes = 0;
    path_in_group(path, "io.stat");
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        die(path);
    while (fgets(line, sizeof line, stream) != NULL) {
        const char *field = strstr(line, "rbytes=");
        if (strncmp(line, number, strlen(number)) == 0 && line[strlen(number)] == ' ' && field)
            bytes = strtoll(field + strlen("rbytes="), NULL, 10);
    }
    fclose(stream);
    return bytes;
}

static void limit_disk(void)
{
    char rule[64];
    double before = time_reading();
    long long first = bytes_read();
    snprintf(rule, sizeof rule, "%s rbps=%d", number, (int)PER_SECOND);
    int error = write_in_group("io.max", rule) == -1 ? errno : 0;
    double after = error == 0 ? time_reading() : 0;
    long long second = bytes_read() - first;
    printf("%s: %lld bytes in %.2f s, with \"%s\": %lld bytes in %.2f s\n", device, first, before,
           rule, second, after);
    bool exact = first >= CHUNK * CHUNKS && (error != 0 || second >= CHUNK * CHUNKS);
    printf("{\"disk\": \"found\", \"io_stat_counts\": %s, ", json_bool(exact));
    printf("\"set_limit\": \"%s\", ", verdict(error));
    /* Two seconds' worth; the kernel may let a little through at once. */
    printf("\"limited_takes_time\": %s, ", json_bool(after >= 1.5));
}

static void demonstrate(void)
{
    /* 240 is a major number for experiments, which nobody should have. */
    int error = write_in_group("io.max", "240:7 rbps=1048576") == -1 ? errno : 0;
    bool disk = find_disk();
    if (!disk)
        printf("no disk here: the machine lives in memory\n");
    if (disk)
        limit_disk();
    else
        printf("{\"disk\": \"unavailable (no block device)\", \"io_stat_counts\": \"no disk\", "
               "\"limited_takes_time\": \"no disk\", ");
    printf("\"group\": \"allowed\", \"limit_no_device\": \"%s\"}\n", verdict(error));
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
