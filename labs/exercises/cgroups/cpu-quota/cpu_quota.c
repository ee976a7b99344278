/*
 * A share of a processor: a group may run 350 ms in every second, so a process that does nothing
 * but compute gets 35 % of one core, however idle the machine is.
 *
 * Shown: the share of a busy child outside the group and inside, measured by two clocks (its CPU
 * clock against the monotonic one); that the kernel counts how often it stopped the group; and
 * that the group's own accounting agrees with the child's clock.
 *
 * Knows both versions of cgroups. Runs as root. Man pages: cgroups(7), clock_getcpuclockid(3),
 * clock_gettime(2); the files: cgroup-v2.rst and scheduler/sched-bwc.rst of the kernel.
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
#include <time.h>
#include <unistd.h>

enum {
    PATH_SIZE = 256,
    REMOVE_TRIES = 100,
    POLL_US = 2 * 1000,
    FEW_THROTTLES = 4,   /* a measurement goes over at least so many periods ... */
    MANY_THROTTLES = 20, /* ... and at most so many, when the machine is busy with others */
    PATIENCE_S = 120,
    FREE_RUNS = 10,
};

/* One moment: what the clocks and the group's counters say. */
struct sample {
    double wall;      /* seconds on the monotonic clock */
    double used;      /* seconds of CPU time of the child */
    double accounted; /* the same as the group counts it, -1 if it does not */
    long long throttled;
};

static char root[PATH_SIZE]; /* where the hierarchy is mounted */
static char group[PATH_SIZE];

static int version; /* of the hierarchy: 1 or 2 */

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

/* Version 2 with the cpu controller; or version 1, where it has a hierarchy to itself. */
static bool find_hierarchy(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *mount;
    bool found = false;
    if (mounts == NULL)
        die("/proc/self/mounts");
    while (!found && (mount = getmntent(mounts)) != NULL)
        if ((strcmp(mount->mnt_type, "cgroup2") == 0 && offers(mount->mnt_dir, "cpu")) ||
            (strcmp(mount->mnt_type, "cgroup") == 0 && hasmntopt(mount, "cpu") != NULL)) {
            version = strcmp(mount->mnt_type, "cgroup2") == 0 ? 2 : 1;
            found = snprintf(root, sizeof root, "%s", mount->mnt_dir) < (int)sizeof root;
        }
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

static int enable_controller(void)
{
    char switches[PATH_SIZE + 32];
    snprintf(switches, sizeof switches, "%s/cgroup.subtree_control", root);
    return version == 1 ? 0 : write_file(switches, "+cpu");
}

/* 350 ms in every 1000 ms: the same two numbers, in one file or in two. */
static int set_quota(void)
{
    if (version == 2)
        return write_in_group("cpu.max", "350000 1000000");
    if (write_in_group("cpu.cfs_period_us", "1000000") == -1)
        return -1;
    return write_in_group("cpu.cfs_quota_us", "350000");
}

static const char *make_group(void)
{
    if (!find_hierarchy())
        return "unavailable (no cpu controller)";
    name_group();
    if (mkdir(group, 0755) == -1)
        return verdict(errno);
    if (atexit(remove_group) != 0)
        die("atexit");
    return verdict(enable_controller() == -1 || set_quota() == -1 ? errno : 0);
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) == -1)
        die("clock_gettime");
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct sample take_sample(clockid_t of_child)
{
    long long used = read_number("cpu.stat", "usage_usec");
    struct sample sample = {
        .wall = seconds(CLOCK_MONOTONIC),
        .used = seconds(of_child),
        .accounted = used == -1 ? -1 : (double)used / 1e6,
        .throttled = read_number("cpu.stat", "nr_throttled"),
    };
    return sample;
}

static double share(struct sample from, struct sample to)
{
    return (to.used - from.used) / (to.wall - from.wall);
}

static clockid_t clock_of(pid_t child)
{
    clockid_t clock;
    int error = clock_getcpuclockid(child, &clock);
    if (error != 0) {
        errno = error;
        die("clock_getcpuclockid");
    }
    return clock;
}

static _Noreturn void compute(bool in_group)
{
    if (in_group && write_in_group("cgroup.procs", "0") == -1) /* 0 is the writer itself */
        die_in_child("cgroup.procs");
    for (volatile unsigned long n = 0;; n++)
        continue;
}

static pid_t start_child(bool in_group)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        compute(in_group);
    return child;
}

static void stop_child(pid_t child)
{
    if (kill(child, SIGKILL) == -1)
        die("kill");
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

/*
 * What the child gets in the best of some seconds, for others may be busy. Without looking in
 * between: on a slow machine with one processor that takes some of it.
 */
static double measure_free(void)
{
    double best = 0;
    pid_t child = start_child(false);
    clockid_t clock = clock_of(child);
    for (int i = 0; i < FREE_RUNS && best <= 0.50; i++) {
        struct sample from = take_sample(clock);
        sleep(1);
        double now = share(from, take_sample(clock));
        best = now > best ? now : best;
    }
    stop_child(child);
    return best;
}

/* Waits for the moment the group is stopped, which comes once in a period. */
static struct sample next_throttle(clockid_t clock, struct sample last)
{
    struct sample now;
    do {
        usleep(POLL_US);
        now = take_sample(clock);
        if (now.wall - last.wall > PATIENCE_S) {
            fprintf(stderr, "not throttled for %d s\n", PATIENCE_S);
            exit(1); /* the child is killed with everything else the exercise started */
        }
    } while (now.throttled <= last.throttled);
    return now;
}

/*
 * From one throttling to another, so that whole periods are measured. A virtual machine whose
 * processor is taken away in between runs over its quota in one period and pays in the next ones:
 * then it takes some more of them until the mean is right.
 */
static double measure_limited(struct sample *from, struct sample *to)
{
    pid_t child = start_child(true);
    clockid_t clock = clock_of(child);
    *from = next_throttle(clock, take_sample(clock));
    *to = *from;
    for (int n = 1; n <= MANY_THROTTLES; n++) {
        *to = next_throttle(clock, *to);
        if (n >= FEW_THROTTLES && share(*from, *to) >= 0.32 && share(*from, *to) <= 0.38)
            break;
    }
    stop_child(child);
    return share(*from, *to);
}

/* Coarse, so that the answer does not change from run to run. */
static const char *range_of(double share)
{
    if (share < 0.30)
        return "below 30 %";
    return share <= 0.40 ? "30 to 40 %" : share <= 0.50 ? "40 to 50 %" : "above 50 %";
}

static void demonstrate(void)
{
    struct sample from, to;
    double free_share = measure_free();
    printf("without a limit: %.1f %% of one core\n", 100 * free_share);
    double limited = measure_limited(&from, &to);
    printf("350 ms in 1000 ms: %.3f s used in %.3f s, %.1f %%; throttled %lld times in between\n",
           to.used - from.used, to.wall - from.wall, 100 * limited, to.throttled - from.throttled);

    double counted = to.accounted - from.accounted, used = to.used - from.used;
    bool agree = counted > 0.9 * used && counted < 1.1 * used;
    printf("{\"group\": \"allowed\", \"version\": %d, ", version);
    printf("\"free_share\": \"%s\", \"limited_share\": \"%s\", ", range_of(free_share),
           range_of(limited));
    printf("\"throttled\": %s, ", json_bool(to.throttled > from.throttled));
    if (to.accounted >= 0)
        printf("\"accounting_agrees\": %s}\n", json_bool(agree));
    else
        printf("\"accounting_agrees\": \"unavailable (version 1)\"}\n");
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
