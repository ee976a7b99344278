/*
 * A container in one system call: all kinds of namespaces together, and what is left to see.
 *
 * Shown: in new user, PID, mount, UTS, IPC, network and cgroup namespaces, with an empty file
 * system as root and a /proc of its own, a process is root, number 1, alone, and on a machine of
 * another name without a network. What stays: the kernel, the memory it reports, the clock - and
 * whatever was open before.
 *
 *   main -- maker (makes the namespaces) -- init (1 inside)
 *
 * Man pages: unshare(2), namespaces(7), user_namespaces(7), pivot_root(2), proc(5).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

enum {
    TEXT_SIZE = 65,
    HOUR = 60 * 60,
    ALL_KINDS = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
                CLONE_NEWNET | CLONE_NEWCGROUP,
};

static const char NEW_ROOT[] = "root", NEW_NAME[] = "mini", OPEN_FILE[] = "open-before";

/* What can be seen, inside or outside. */
struct view {
    int pid;
    int uid;
    int processes;
    int up;      /* interfaces */
    int entries; /* in the root folder */
    char name[TEXT_SIZE];
    char kernel[TEXT_SIZE];
    long long memory_kb;
    long long time;
};

struct report {
    int unshare; /* 0 or an errno, as the next two */
    int new_root;
    int back; /* opening the working directory of before by its path */
    bool reads_open_file;
    struct view view;
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
    case EBUSY: return "blocked (EBUSY)";
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

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        die(path);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die(path);
    close(fd);
}

/* We are root inside and who we were outside: user_namespaces(7), "Defining user ... mappings". */
static void become_root_inside(uid_t uid, gid_t gid)
{
    char map[32];
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
    write_file("/proc/self/gid_map", map);
}

/* The entries of a folder, or only those that are numbers: in /proc, the processes. */
static int count_entries(const char *path, bool numbers)
{
    int count = 0;
    struct dirent *entry;
    DIR *folder = opendir(path);
    if (folder == NULL)
        die(path);
    while ((entry = readdir(folder)) != NULL) {
        char first = entry->d_name[0];
        count += numbers ? first >= '1' && first <= '9' : first != '.';
    }
    closedir(folder);
    return count;
}

/* -1 where not even a socket is to be had. */
static int interfaces_up(void)
{
    int up = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -1;
    for (int index = 1; index < 64; index++) {
        struct ifreq request = {.ifr_ifindex = index};
        if (ioctl(fd, SIOCGIFNAME, &request) == 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0)
            up += (request.ifr_flags & IFF_UP) != 0;
    }
    close(fd);
    return up;
}

static long long total_memory(void)
{
    char line[128];
    long long kilobytes = 0;
    FILE *stream = fopen("/proc/meminfo", "re");
    if (stream == NULL)
        die("/proc/meminfo");
    if (fgets(line, sizeof line, stream) != NULL && strncmp(line, "MemTotal:", 9) == 0)
        kilobytes = strtoll(line + 9, NULL, 10);
    fclose(stream);
    return kilobytes;
}

static struct view look(void)
{
    struct view view = {
        .pid = getpid(),
        .uid = (int)getuid(),
        .processes = count_entries("/proc", true),
        .up = interfaces_up(),
        .entries = count_entries("/", false),
        .memory_kb = total_memory(),
        .time = (long long)time(NULL),
    };
    struct utsname machine;
    if (uname(&machine) == -1)
        die("uname");
    snprintf(view.name, sizeof view.name, "%s", machine.nodename);
    snprintf(view.kernel, sizeof view.kernel, "%s", machine.release);
    return view;
}

/*
 * The new root takes the place of the old one, which is then unmounted. Where the old one is the
 * kernel's first file system, which cannot be taken away (pivot_root(2), EINVAL), it is covered.
 */
static int exchange_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        return umount2(".", MNT_DETACH) == -1 || chdir("/") == -1 ? errno : 0;
    if (errno != EINVAL)
        return errno;
    if (mount(".", "/", NULL, MS_MOVE, NULL) == -1 || chroot(".") == -1 || chdir("/") == -1)
        return errno;
    return 0;
}

/* An empty root with nothing but a /proc, which shows the PID namespace that it is mounted in. */
static int enter_new_root(void)
{
    unsigned long careful = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k") == -1 ||
        chdir(NEW_ROOT) == -1 || mkdir("proc", 0755) == -1 ||
        mount("proc", "proc", "proc", careful, NULL) == -1)
        return errno;
    return exchange_root();
}

static bool has_content(int fd)
{
    char byte;
    return pread(fd, &byte, 1, 0) == 1;
}

static _Noreturn void be_init(int out, int open_file, const char *old_place)
{
    struct report report = {0};
    if (sethostname(NEW_NAME, strlen(NEW_NAME)) == -1)
        report.new_root = errno;
    else
        report.new_root = enter_new_root();
    if (report.new_root == 0) {
        report.view = look();
        report.back = access(old_place, F_OK) == -1 ? errno : 0;
        report.reads_open_file = has_content(open_file);
    }
    send_report(out, &report);
    _exit(0);
}

static _Noreturn void be_maker(int out, int open_file, const char *old_place)
{
    struct report report = {0};
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(ALL_KINDS) == -1) {
        report.unshare = errno;
        send_report(out, &report);
        _exit(0);
    }
    become_root_inside(uid, gid);
    pid_t init = fork(); /* the next child is in the PID namespace */
    if (init == -1)
        die("fork");
    if (init == 0)
        be_init(out, open_file, old_place);
    wait_for(init);
    _exit(0);
}

static struct report look_from_inside(int open_file, const char *old_place)
{
    struct report report;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t maker = fork();
    if (maker == -1)
        die("fork");
    if (maker == 0) {
        close(ends[0]);
        be_maker(ends[1], open_file, old_place);
    }
    close(ends[1]);
    receive_report(ends[0], &report);
    close(ends[0]);
    wait_for(maker);
    return report;
}

static void tell(const struct view *inside)
{
    printf("inside: process %d of %d, user %d, on %s, %d interfaces up, %d entries in /\n",
           inside->pid, inside->processes, inside->uid, inside->name, inside->up, inside->entries);
}

static void print(const struct report *report, const struct view *outside)
{
    const struct view *inside = &report->view;
    long long apart = inside->time - outside->time;
    printf("\"pid\": %d, \"uid\": %d, ", inside->pid, inside->uid);
    printf("\"name\": \"%s\", ", inside->name);
    printf("\"processes\": %d, \"up\": %d, ", inside->processes, inside->up);
    printf("\"entries\": %d, \"back\": \"%s\", ", inside->entries, verdict(report->back));
    printf("\"same_kernel\": %s, ", json(strcmp(inside->kernel, outside->kernel) == 0));
    printf("\"same_memory\": %s, ", json(inside->memory_kb == outside->memory_kb));
    printf("\"same_clock\": %s, ", json(apart > -HOUR && apart < HOUR));
    printf("\"reads_open_file\": %s, ", json(report->reads_open_file));
}

static int make_open_file(void)
{
    int fd = open(OPEN_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, "x", 1) != 1)
        die(OPEN_FILE);
    return fd;
}

int main(void)
{
    char place[4096];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getcwd(place, sizeof place) == NULL || mkdir(NEW_ROOT, 0755) == -1)
        die(NEW_ROOT);
    int open_file = make_open_file();
    struct view outside = look();
    struct report report = look_from_inside(open_file, place);
    close(open_file);
    if (unlink(OPEN_FILE) == -1 || rmdir(NEW_ROOT) == -1)
        die("cleaning up");
    printf("outside: user %d, on %s\n", outside.uid, outside.name);
    if (report.unshare == 0 && report.new_root == 0)
        tell(&report.view);
    printf("{\"unshare\": \"%s\", ", verdict(report.unshare));
    if (report.unshare == 0)
        printf("\"new_root\": \"%s\", ", verdict(report.new_root));
    if (report.unshare == 0 && report.new_root == 0)
        print(&report, &outside);
    printf("\"more_outside\": %s}\n", json(outside.processes > 1 && outside.entries > 1));
    return 0;
}
