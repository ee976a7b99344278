/*
 * Another age of the machine: a time namespace, time_namespaces(7).
 *
 * Shown: in a new time namespace the monotonic and the boot-time clock can be moved by an offset,
 * here by a day, so a child believes that the machine has been up that much longer; the clock that
 * tells date and time is not moved, nor can any clock be made to go faster; and once a process
 * lives in the namespace, the offsets stay as they are.
 *
 * Needs Linux 5.6 and an architecture that has it. Man pages: clock_gettime(2), unshare(2),
 * user_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum { DAY = 24 * 60 * 60, TOLERANCE = DAY / 2 };

static const char OFFSETS[] = "/proc/self/timens_offsets";

struct clocks {
    long long real;
    long long monotonic;
    long long boot;
    long long uptime; /* as the first number in /proc/uptime says */
};

/* What the child that made the namespace and its own child found. */
struct report {
    int unshare;
    int set_offsets;
    int set_later;
    struct clocks maker;  /* who made the namespace is not in it */
    struct clocks inside; /* its first child is */
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

static long long seconds(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) == -1)
        die("clock_gettime");
    return (long long)now.tv_sec;
}

static struct clocks read_clocks(void)
{
    char line[64] = "";
    FILE *stream = fopen("/proc/uptime", "re");
    if (stream == NULL || fgets(line, sizeof line, stream) == NULL)
        die("/proc/uptime");
    fclose(stream);
    struct clocks now = {
        .real = seconds(CLOCK_REALTIME),
        .monotonic = seconds(CLOCK_MONOTONIC),
        .boot = seconds(CLOCK_BOOTTIME),
        .uptime = strtoll(line, NULL, 10),
    };
    return now;
}

/* 0 or an errno. The file is about the namespace our next child will be in. */
static int set_offsets(void)
{
    char text[64];
    int fd = open(OFFSETS, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    snprintf(text, sizeof text, "monotonic %d 0\nboottime %d 0\n", DAY, DAY);
    int error = write(fd, text, strlen(text)) == -1 ? errno : 0;
    close(fd);
    return error;
}

static _Noreturn void be_in_namespace(int out, struct report *report)
{
    report->inside = read_clocks();
    report->set_later = set_offsets();
    send_report(out, report);
    _exit(0);
}

static _Noreturn void be_inside(int out)
{
    struct report report = {0};
    if (unshare(CLONE_NEWUSER | CLONE_NEWTIME) == -1) {
        report.unshare = errno;
        send_report(out, &report);
        _exit(0);
    }
    report.set_offsets = set_offsets();
    report.maker = read_clocks();
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0)
        be_in_namespace(out, &report);
    wait_for(child);
    _exit(0);
}

/* In a child: unshare() cannot be undone. */
static struct report look_from_inside(void)
{
    struct report report;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        be_inside(ends[1]);
    }
    close(ends[1]);
    receive_report(ends[0], &report);
    close(ends[0]);
    wait_for(pid);
    return report;
}

/* Whether `a` is about a day after `b`; between the readings little time has passed. */
static bool a_day_later(long long a, long long b)
{
    return a - b > DAY - TOLERANCE && a - b < DAY + TOLERANCE;
}

static bool about_same(long long a, long long b)
{
    return a - b > -TOLERANCE && a - b < TOLERANCE;
}

static void print(const struct report *report, struct clocks outside)
{
    const struct clocks *inside = &report->inside;
    printf("outside the machine is up %lld s, inside %lld s\n", outside.uptime, inside->uptime);
    printf("{\"unshare\": \"allowed\", ");
    printf("\"set_offsets\": \"%s\", ", verdict(report->set_offsets));
    printf("\"maker_unmoved\": %s, ", json(about_same(report->maker.boot, outside.boot)));
    printf("\"monotonic_moved\": %s, ", json(a_day_later(inside->monotonic, outside.monotonic)));
    printf("\"uptime_moved\": %s, ", json(a_day_later(inside->uptime, outside.uptime)));
    printf("\"date_moved\": %s, ", json(!about_same(inside->real, outside.real)));
    printf("\"set_later\": \"%s\"}\n", verdict(report->set_later));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct report report = look_from_inside();
    if (report.unshare == 0)
        print(&report, read_clocks());
    else
        printf("{\"unshare\": \"%s\"}\n", verdict(report.unshare));
    return 0;
}
