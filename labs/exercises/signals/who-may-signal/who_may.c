/*
 * Who may signal whom: your own processes, and nobody else's.
 *
 * Shown, without sending anything (signal 0 checks only): a child of one's own; process 1, which is
 * root's; the process that started us; and the canary, a harmless process that stands outside of
 * every boundary, found by its name in /proc where it can be seen at all.
 *
 * Usage: who_may student | who_may other
 *
 * Man pages: kill(2), proc(5), pid_namespaces(7), capabilities(7) CAP_KILL.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *may_signal(pid_t pid)
{
    if (kill(pid, 0) == 0)
        return "allowed";
    switch (errno) {
    case EPERM: return "blocked (EPERM)";
    case ESRCH: return "blocked (ESRCH)";
    default: return "blocked (another errno)";
    }
}

static const char *own_child(void)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        for (;;)
            pause();
    const char *result = may_signal(pid);
    if (kill(pid, SIGKILL) == -1)
        die("kill");
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return result;
}

/* The first word of its command line; the file may vanish with its process at any time. */
static bool is_called(const char *pid, const char *name)
{
    char path[64], word[128];
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t length = fread(word, 1, sizeof word - 1, file);
    fclose(file);
    word[length] = '\0'; /* words are separated by '\0': the first one ends by itself */
    return strcmp(word, name) == 0;
}

static pid_t find(const char *name)
{
    struct dirent *entry;
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        die("/proc");
    while (found == 0 && (entry = readdir(proc)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && is_called(entry->d_name, name))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(proc);
    return found;
}

static const char *canary(void)
{
    const char *name = getenv("ISOLAB_CANARY");
    pid_t pid = name != NULL && name[0] != '\0' ? find(name) : 0;
    return pid == 0 ? "not to be seen" : may_signal(pid);
}

int main(int argc, char *argv[])
{
    if (argc != 2 || (strcmp(argv[1], "student") != 0 && strcmp(argv[1], "other") != 0)) {
        fprintf(stderr, "usage: who_may student|other\n");
        return 1;
    }
    bool student = strcmp(argv[1], "student") == 0;
    const char *child = own_child(), *first = may_signal(1), *outside = canary();
    printf("%s: my child %s, process 1 %s, the canary %s\n", argv[1], child, first, outside);
    if (student)
        printf("{\"student_to_child\": \"%s\", \"student_to_process_1\": \"%s\", "
               "\"student_to_canary\": \"%s\"}\n", child, first, outside);
    else
        printf("{\"other_to_child\": \"%s\", \"other_to_process_1\": \"%s\", "
               "\"other_to_canary\": \"%s\"}\n", child, first, outside);
    return 0;
}
