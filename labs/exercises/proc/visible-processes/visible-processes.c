/*
 * What /proc reveals: every process of the PID namespace whose proc(5) is mounted here, of
 * all users, with its command line, unless proc is mounted with hidepid. A process outside that
 * namespace has no number here, so it can be neither seen nor signalled: pid_namespaces(7),
 * kill(2).
 *
 * The controller started a harmless process, the canary, outside the boundary; the environment
 * variable ISOLAB_CANARY holds a word of its argv[0]. We look for it.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { NOT_FOUND = 0 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Reads the start of /proc/PID/NAME as a string. False with errno set if there is no reading. */
static bool read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t got;
    do
        got = read(fd, text, size - 1);
    while (got == -1 && errno == EINTR);
    int error = errno;
    close(fd);
    errno = error;
    if (got == -1)
        return false;
    text[got] = '\0';
    return true;
}

static bool is_canary(pid_t pid, const char *word)
{
    char command_line[4096];
    /* The arguments are separated by null bytes, so as a string this is argv[0] alone. A
     * process may be gone, or be none of our business: then it is not the one we can see. */
    return read_proc(pid, "cmdline", command_line, sizeof command_line) &&
           strstr(command_line, word) != NULL;
}

static pid_t find_canary(const char *word)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        die("/proc");
    pid_t found = NOT_FOUND;
    struct dirent *entry;
    while (found == NOT_FOUND && (errno = 0, entry = readdir(proc)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (is_canary(pid, word))
            found = pid;
    }
    if (entry == NULL && errno != 0)
        die("readdir /proc");
    closedir(proc);
    return found;
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ESRCH: return "invisible";
    default: return "blocked (another errno)";
    }
}

/* Signal 0 delivers nothing; it only asks whether we might. */
static const char *try_signal(pid_t pid)
{
    if (pid == NOT_FOUND)
        return "invisible";
    char path[32];
    struct stat owner;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    bool ours = stat(path, &owner) == 0 && owner.st_uid == geteuid();
    int error = kill(pid, 0) == -1 ? errno : 0;
    return error == 0 && ours ? "allowed (same user)" : verdict(error);
}

/* The name of process 1, made fit for JSON; NULL if /proc does not show us process 1. */
static const char *name_of_pid_1(void)
{
    static char name[64];
    if (!read_proc(1, "comm", name, sizeof name))
        return NULL;
    name[strcspn(name, "\n")] = '\0';
    for (char *c = name; *c != '\0'; c++)
        if (!isprint((unsigned char)*c) || *c == '"' || *c == '\\')
            *c = '?';
    return name;
}

/* Is process 1 of /proc in our PID namespace? Reading the link needs ptrace rights: proc(5). */
static const char *namespace_of_pid_1(void)
{
    char ours[64] = "", theirs[64] = "";
    if (readlink("/proc/self/ns/pid", ours, sizeof ours - 1) == -1)
        return "unreadable";
    if (readlink("/proc/1/ns/pid", theirs, sizeof theirs - 1) == -1)
        return errno == EACCES ? "unreadable (EACCES)" : "unreadable";
    return strcmp(ours, theirs) == 0 ? "ours" : "another";
}

/* On a kernel of one's own, or on the host's without a namespace, process 2 is kthreadd. */
static bool sees_kernel_threads(void)
{
    char name[64];
    return read_proc(2, "comm", name, sizeof name) && strcmp(name, "kthreadd\n") == 0;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *word = getenv("ISOLAB_CANARY");
    if (word == NULL || *word == '\0') {
        fputs("ISOLAB_CANARY must name the process to look for\n", stderr);
        return 1;
    }
    pid_t canary = find_canary(word);
    const char *first = name_of_pid_1();
    printf("process 1 is called %s; the canary outside is %s\n", first ? first : "(hidden)",
           canary != NOT_FOUND ? "in plain view" : "not to be seen");

    /* Without process 1, /proc is mounted with hidepid, and not finding proves nothing. */
    const char *missing = first ? "no" : "no (hidepid)";
    printf("{\"sees_host_canary\": \"%s\", ", canary != NOT_FOUND ? "yes" : missing);
    printf("\"can_signal_canary\": \"%s\", ", try_signal(canary));
    printf("\"sees_kernel_threads\": %s, ", sees_kernel_threads() ? "true" : "false");
    printf("\"pid1_name\": \"%s\", ", first ? first : "hidden");
    printf("\"pid1_namespace\": \"%s\"}\n", namespace_of_pid_1());
    return 0;
}
