/*
 * What ps and its like tell about a process, and to whom.
 *
 * Shown: of an own process everything, secrets on the command line and in the environment included;
 * of another user's (process 1) name, user, state and command line, but not environment, open files,
 * working directory or memory map. ps reads nothing else than these files.
 *
 * Man pages: proc(5), proc_pid_cmdline(5), proc_pid_environ(5), proc_pid_fd(5), ptrace(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "hunter2"

enum { READ_END = 0, WRITE_END = 1, LONGEST = 16384 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOENT: return "not there (ENOENT)";
    default: return "blocked (another errno)";
    }
}

/* Reads a file of /proc/PID whole; 0 or an errno. For some files it is read, not open, that asks. */
static int read_file(pid_t pid, const char *name, char *text, size_t *length)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    *length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    ssize_t got;
    while (*length < LONGEST && (got = read(fd, text + *length, LONGEST - *length)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1) {
            int error = errno;
            close(fd);
            return error;
        }
        *length += (size_t)got;
    }
    close(fd);
    return 0;
}

static bool holds(pid_t pid, const char *file, const char *text)
{
    static char content[LONGEST];
    size_t length;
    return read_file(pid, file, content, &length) == 0 &&
           memmem(content, length, text, strlen(text)) != NULL;
}

static const char *readable(pid_t pid, const char *file)
{
    static char content[LONGEST];
    size_t length;
    return verdict(read_file(pid, file, content, &length));
}

/* Where the link points: a descriptor's file, a process's working directory. */
static const char *followed(pid_t pid, const char *link)
{
    char path[64], target[512];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, link);
    return verdict(readlink(path, target, sizeof target) == -1 ? errno : 0);
}

/* A shell with a password among its arguments; it waits for the end of its standard input, our pipe. */
static _Noreturn void become_holder(int input, int output)
{
    char *const environment[] = {(char *)"TOKEN=" SECRET, NULL};
    if (dup2(input, STDIN_FILENO) == -1 || dup2(output, STDOUT_FILENO) == -1)
        die("dup2");
    execle("/bin/sh", "sh", "-c", "echo holding; read end", "holder", "--password=" SECRET,
           (char *)NULL, environment);
    die("/bin/sh");
}

/* Starts the holder and waits until it has spoken, so that execve is over; `leash` ends it. */
static pid_t start_holder(int *leash)
{
    int input[2], output[2];
    char byte;
    if (pipe2(input, O_CLOEXEC) == -1 || pipe2(output, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        become_holder(input[READ_END], output[WRITE_END]);
    close(input[READ_END]);
    close(output[WRITE_END]);
    if (read(output[READ_END], &byte, 1) != 1)
        die("read");
    close(output[READ_END]);
    *leash = input[WRITE_END];
    return pid;
}

static void show_own(void)
{
    int leash;
    pid_t pid = start_holder(&leash);
    printf("{\"own_cmdline_secret\": %s, ", json_bool(holds(pid, "cmdline", SECRET)));
    printf("\"own_environ_secret\": %s, ", json_bool(holds(pid, "environ", SECRET)));
    printf("\"own_fd\": \"%s\", ", followed(pid, "fd/0"));
    close(leash);
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

static bool process_1_is_ours(void)
{
    struct stat owner;
    return stat("/proc/1", &owner) == 0 && owner.st_uid == geteuid();
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing buffered that a child could print again */
    printf("our own child, with a password, and process 1\n");
    show_own();
    printf("\"other_is_ours\": %s, ", json_bool(process_1_is_ours()));
    printf("\"other_cmdline\": \"%s\", ", readable(1, "cmdline"));
    printf("\"other_status\": \"%s\", ", readable(1, "status"));
    printf("\"other_environ\": \"%s\", ", readable(1, "environ"));
    printf("\"other_maps\": \"%s\", ", readable(1, "maps"));
    printf("\"other_fd\": \"%s\", ", followed(1, "fd/0"));
    printf("\"other_cwd\": \"%s\"}\n", followed(1, "cwd"));
    return 0;
}
