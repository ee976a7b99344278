/*
 * Who may look into whose memory? process_vm_readv(2) and process_vm_writev(2) need no
 * pointer tricks and no shared mapping, only permission: the "ptrace access mode" check of
 * ptrace(2), on top of it the Yama module's scope, and before both any seccomp(2) filter.
 *
 * Three targets: our own child, a sibling (same user, but no descendant), and process 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTHING = 0, SECRET = 42, PLANTED = 43 };

/* Exit statuses that neither an errno nor die() uses. */
enum { WAS_CHANGED = 254, WRONG_CONTENT = 255 };

/* At the same address in every process forked from here, with a content of its own in each. */
static volatile int treasure = NOTHING;

/* A child that holds the secret until `hold` is closed. */
struct victim {
    pid_t pid;
    int hold;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    return pid;
}

static int exit_code_of(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status)) {
        fputs("a child did not exit by itself\n", stderr);
        _exit(1);
    }
    return WEXITSTATUS(status);
}

/* Waits for one byte or for the end of the stream. */
static void wait_on(int fd)
{
    char byte;
    ssize_t got;
    do
        got = read(fd, &byte, 1);
    while (got == -1 && errno == EINTR);
    if (got == -1)
        die("read");
}

static _Noreturn void be_victim(int ready, int hold)
{
    treasure = SECRET;
    if (write(ready, "r", 1) != 1)
        die("write");
    wait_on(hold);
    _exit(treasure == PLANTED ? WAS_CHANGED : 0);
}

static struct victim start_victim(void)
{
    int ready[2], hold[2];
    if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(hold, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = start_child();
    if (pid == 0) {
        close(ready[0]);
        close(hold[1]);
        be_victim(ready[1], hold[0]);
    }
    close(ready[1]);
    close(hold[0]);
    wait_on(ready[0]);
    close(ready[0]);
    return (struct victim){pid, hold[1]};
}

/* Lets the victim end. True if it found its treasure exchanged. */
static bool victim_was_changed(struct victim victim)
{
    close(victim.hold);
    return exit_code_of(victim.pid) == WAS_CHANGED;
}

/* 0 if the memory of `pid` could be read, else the errno. */
static int read_memory(pid_t pid, int *value)
{
    struct iovec to = {value, sizeof *value};
    struct iovec from = {(void *)&treasure, sizeof treasure};
    if (process_vm_readv(pid, &to, 1, &from, 1, 0) != -1)
        return 0;
    /* EFAULT comes after the permission check: we were let in, only nothing is mapped there. */
    return errno == EFAULT ? 0 : errno;
}

static int write_memory(pid_t pid, int value)
{
    struct iovec from = {&value, sizeof value};
    struct iovec to = {(void *)&treasure, sizeof treasure};
    return process_vm_writev(pid, &from, 1, &to, 1, 0) == -1 ? errno : 0;
}

static int read_secret(struct victim victim)
{
    int value = NOTHING;
    int error = read_memory(victim.pid, &value);
    return error == 0 && value != SECRET ? WRONG_CONTENT : error;
}

/* The same read by a second child, whose exit status carries the errno. */
static int read_secret_as_sibling(struct victim victim)
{
    pid_t pid = start_child();
    if (pid == 0) {
        close(victim.hold);
        _exit(read_secret(victim));
    }
    return exit_code_of(pid);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOSYS: return "blocked (ENOSYS)";
    case ESRCH: return "blocked (ESRCH)";
    case WRONG_CONTENT: return "allowed, but wrong content";
    default: return "blocked (another errno)";
    }
}

static const char *read_from_pid_1(void)
{
    struct stat owner;
    /* Where the same user started everything there is, process 1 would prove nothing. */
    if (stat("/proc/1", &owner) == 0 && owner.st_uid == geteuid())
        return "not tried (process 1 is ours)";
    int value = NOTHING;
    return verdict(read_memory(1, &value));
}

/* Prints the JSON value of yama_scope: a number, or why there is none. */
static void print_yama_scope(void)
{
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    int scope;
    if (file == NULL)
        printf("\"%s\"", errno == ENOENT ? "none" : "unreadable");
    else if (fscanf(file, "%d", &scope) == 1)
        printf("%d", scope);
    else
        printf("\"unreadable\"");
    if (file != NULL)
        fclose(file);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct victim victim = start_victim();
    puts("a child holds a secret; its parent, its sibling and we as a stranger try to get it");
    const char *child = verdict(read_secret(victim));
    const char *sibling = verdict(read_secret_as_sibling(victim));
    const char *written = verdict(write_memory(victim.pid, PLANTED));
    bool changed = victim_was_changed(victim);

    printf("{\"read_own_child\": \"%s\", \"read_sibling\": \"%s\", ", child, sibling);
    printf("\"read_pid_1\": \"%s\", \"write_own_child\": \"%s\", ", read_from_pid_1(), written);
    printf("\"child_was_changed\": %s, \"yama_scope\": ", changed ? "true" : "false");
    print_yama_scope();
    puts("}");
    return 0;
}
