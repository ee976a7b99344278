/*
 * Root inside, nobody special outside. In a user namespace of one's own one has no name at
 * first (the overflow uid), becomes uid 0 by writing uid_map, and holds every capability,
 * but only over what belongs to the namespace: files made there belong to the real user, and
 * what belongs to the real root stays closed. All in user_namespaces(7); also capabilities(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char OWN_FILE[] = "made-by-root-inside";
static const char CLOSED_FILE[] = "closed-to-everybody"; /* our own, mode 0 */
static const char ROOTS_FILE[] = "/etc/passwd"; /* opened, never written */

/* What the child inside saw; the errors are 0 or an errno. Later fields need the earlier steps. */
struct inside {
    int unshare_error;
    uid_t uid_before_mapping;
    int mapping_error;
    uid_t uid_after_mapping;
    bool all_capabilities;
    uid_t file_owner;
    int closed_file_error;
    int roots_file_error;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

/* 0, or the errno with which the kernel refused the text. */
static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    /* The kernel takes these files in a single write() or not at all. */
    int error = write(fd, text, strlen(text)) == -1 ? errno : 0;
    close(fd);
    return error;
}

/* "0 1000 1": the one id from 0 on inside is the one id from 1000 on outside. */
static int map_to_root(const char *path, unsigned int outside)
{
    char line[32];
    snprintf(line, sizeof line, "0 %u 1\n", outside);
    return write_text(path, line);
}

static int become_root(uid_t uid, gid_t gid)
{
    int error = map_to_root("/proc/self/uid_map", uid);
    /* Without privilege outside, a group map is accepted only once setgroups(2) is given up:
     * else one could drop a group that denies access. */
    if (error == 0)
        error = write_text("/proc/self/setgroups", "deny");
    if (error == 0)
        error = map_to_root("/proc/self/gid_map", gid);
    return error;
}

static unsigned long long read_number(const char *path, const char *format)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path);
    char line[256];
    unsigned long long number;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, format, &number) == 1) {
            fclose(file);
            return number;
        }
    fprintf(stderr, "%s: no line like %s\n", path, format);
    _exit(1);
}

static bool has_all_capabilities(void)
{
    unsigned long long last = read_number("/proc/sys/kernel/cap_last_cap", "%llu");
    return read_number("/proc/self/status", "CapEff: %llx") == (2ULL << last) - 1;
}

static uid_t make_file(void)
{
    struct stat made;
    int fd = open(OWN_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || fstat(fd, &made) == -1)
        die(OWN_FILE);
    close(fd);
    return made.st_uid;
}

static void make_closed_file(void)
{
    int fd = open(CLOSED_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (fd == -1)
        die(CLOSED_FILE);
    close(fd);
}

/* 0, or the errno with which the kernel refused. */
static int try_to_open(const char *path, int access)
{
    int fd = open(path, access | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

static struct inside go_inside(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    struct inside seen = {0};
    if (unshare(CLONE_NEWUSER) == -1) {
        seen.unshare_error = errno;
        return seen;
    }
    seen.uid_before_mapping = geteuid();
    seen.mapping_error = become_root(uid, gid);
    if (seen.mapping_error != 0)
        return seen;
    seen.uid_after_mapping = geteuid();
    seen.all_capabilities = has_all_capabilities();
    seen.file_owner = make_file();
    seen.closed_file_error = try_to_open(CLOSED_FILE, O_RDONLY);
    seen.roots_file_error = try_to_open(ROOTS_FILE, O_WRONLY);
    return seen;
}

static struct inside ask_child(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    struct inside seen;
    if (pid == 0) {
        close(ends[0]);
        seen = go_inside();
        /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
        if (write(ends[1], &seen, sizeof seen) != (ssize_t)sizeof seen)
            die("write");
        _exit(0);
    }
    close(ends[1]);
    ssize_t got;
    do
        got = read(ends[0], &seen, sizeof seen);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof seen)
        die("read");
    close(ends[0]);
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return seen;
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EROFS: return "blocked (EROFS)";
    default: return "blocked (another errno)";
    }
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

/* Looks at the file from outside, where its owner has his real number, and removes it. */
static bool file_is_ours_outside(void)
{
    struct stat made;
    if (stat(OWN_FILE, &made) == -1 || unlink(OWN_FILE) == -1)
        die(OWN_FILE);
    return made.st_uid == geteuid();
}

static void print_root_inside(struct inside seen)
{
    printf(", \"uid_after_mapping\": %u, \"all_capabilities_inside\": %s",
           (unsigned int)seen.uid_after_mapping, json(seen.all_capabilities));
    printf(", \"file_owner_inside\": %u, \"file_ours_outside\": %s",
           (unsigned int)seen.file_owner, json(file_is_ours_outside()));
    printf(", \"open_closed_inside\": \"%s\"", verdict(seen.closed_file_error));
    printf(", \"write_file_of_root\": \"%s\"", verdict(seen.roots_file_error));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_closed_file();
    int closed_before = try_to_open(CLOSED_FILE, O_RDONLY);
    struct inside seen = ask_child();
    if (unlink(CLOSED_FILE) == -1)
        die(CLOSED_FILE);
    puts("a child asks for a user namespace of its own and the user id 0 in it");

    printf("{\"open_closed_before\": \"%s\", \"unshare\": \"%s\"", verdict(closed_before), verdict(seen.unshare_error));
    if (seen.unshare_error == 0)
        printf(", \"uid_before_mapping\": %u, \"become_root_inside\": \"%s\"",
               (unsigned int)seen.uid_before_mapping, verdict(seen.mapping_error));
    if (seen.unshare_error == 0 && seen.mapping_error == 0)
        print_root_inside(seen);
    puts("}");
    return 0;
}
