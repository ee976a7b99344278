/*
 * Files of one's own: a mount namespace, mount_namespaces(7).
 *
 * Shown: an ordinary user may not mount; in a user and mount namespace of his own he may put an
 * empty file system over a folder and /dev/null over a file, which hides both from him and from
 * nobody else; but he cannot take away what was mounted before, for it might hide something.
 *
 * Man pages: mount(2), umount(2), mount_namespaces(7), user_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char FOLDER[] = "folder", IN_FOLDER[] = "folder/left-outside";
static const char NEW_FILE[] = "folder/made-inside", SECRET[] = "secret";

/* What the child inside found; the errors are 0 or an errno. */
struct report {
    int unshare;
    int mount;
    bool sees_old_file;
    bool sees_new_file;
    int hide;
    bool reads_secret;
    int unmount_proc;
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

static void make_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1)
        die(path);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die(path);
    close(fd);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool has_content(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        die(path);
    ssize_t got = read(fd, &byte, 1);
    if (got == -1)
        die(path);
    close(fd);
    return got == 1;
}

static int mount_tmpfs(void)
{
    unsigned long flags = MS_NOSUID | MS_NODEV;
    return mount("tmpfs", FOLDER, "tmpfs", flags, "mode=0700,size=64k") == -1 ? errno : 0;
}

static void change_files(struct report *report)
{
    report->mount = mount_tmpfs();
    if (report->mount != 0)
        return;
    report->sees_old_file = exists(IN_FOLDER);
    make_file(NEW_FILE, "x");
    report->sees_new_file = exists(NEW_FILE);
    report->hide = mount("/dev/null", SECRET, NULL, MS_BIND, NULL) == -1 ? errno : 0;
    report->reads_secret = has_content(SECRET);
    report->unmount_proc = umount2("/proc", MNT_DETACH) == -1 ? errno : 0;
}

static _Noreturn void be_inside(int out)
{
    struct report report = {0};
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1) {
        report.unshare = errno;
    } else {
        become_root_inside(uid, gid);
        change_files(&report);
    }
    send_report(out, &report);
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

static void clean_up(void)
{
    if (unlink(IN_FOLDER) == -1 || rmdir(FOLDER) == -1 || unlink(SECRET) == -1)
        die("cleaning up");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mkdir(FOLDER, 0700) == -1)
        die(FOLDER);
    make_file(IN_FOLDER, "x");
    make_file(SECRET, "x");
    int plain = mount_tmpfs();
    struct report inside = look_from_inside();
    bool old_file = exists(IN_FOLDER), new_file = exists(NEW_FILE), secret = has_content(SECRET);
    clean_up();

    printf("{\"plain_mount\": \"%s\", ", verdict(plain));
    printf("\"unshare\": \"%s\", ", verdict(inside.unshare));
    if (inside.unshare == 0)
        printf("\"mount\": \"%s\", ", verdict(inside.mount));
    if (inside.unshare == 0 && inside.mount == 0) {
        printf("\"old_file_inside\": %s, ", json(inside.sees_old_file));
        printf("\"new_file_inside\": %s, ", json(inside.sees_new_file));
        printf("\"hide\": \"%s\", ", verdict(inside.hide));
        printf("\"secret_inside\": %s, ", json(inside.reads_secret));
        printf("\"unmount_proc\": \"%s\", ", verdict(inside.unmount_proc));
    }
    printf("\"old_file_outside\": %s, \"new_file_outside\": %s, ", json(old_file), json(new_file));
    printf("\"secret_outside\": %s}\n", json(secret));
    return 0;
}
