/*
 * SIGCHLD: a child has ended, and somebody must ask how.
 *
 * Shown: a child that nobody waited for is a zombie; the signal tells how it ended; several
 * children that end while it is blocked are one signal, so that who waits once per signal leaves
 * zombies; SA_NOCLDWAIT and ignoring SIGCHLD leave none, and no status either.
 *
 * Man pages: waitpid(2) "NOTES", sigaction(2) SA_NOCLDWAIT, signal(7), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 5, STATUS = 3 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void nothing(int number)
{
    (void)number;
}

static void arrange(void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGCHLD, &action, NULL) == -1)
        die("sigaction");
}

static sigset_t chld_only(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    return set;
}

static pid_t start_child(bool kill_itself)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        if (kill_itself)
            raise(SIGKILL);
        _exit(STATUS);
    }
    return pid;
}

/* Waits until the child has ended and leaves it as it is. */
static void until_ended(pid_t pid)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == -1)
        if (errno != EINTR)
            die("waitid");
}

static siginfo_t take_signal(void)
{
    siginfo_t info;
    sigset_t set = chld_only();
    while (sigwaitinfo(&set, &info) == -1)
        if (errno != EINTR)
            die("sigwaitinfo");
    return info;
}

static bool another_signal(void)
{
    const struct timespec now = {0, 0};
    sigset_t set = chld_only();
    return sigtimedwait(&set, NULL, &now) == SIGCHLD;
}

/* The letter of /proc/PID/stat; it follows the last ')'. '-' when there is no such process. */
static char state_of(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return '-';
    const char *end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    fclose(file);
    return end != NULL && end[1] == ' ' ? end[2] : '-';
}

static int reap_all(void)
{
    int reaped = 0;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    return reaped;
}

static void one_child(void)
{
    pid_t pid = start_child(false);
    siginfo_t info = take_signal();
    printf("\"ended_code\": \"%s\", \"ended_status\": %d, \"sender_is_child\": %s, ",
           info.si_code == CLD_EXITED ? "CLD_EXITED" : "another", info.si_status,
           info.si_pid == pid ? "true" : "false");
    until_ended(pid);
    char before = state_of(pid);
    int reaped = reap_all();
    printf("\"before_wait\": \"%c\", \"after_wait\": \"%c\", ", before, state_of(pid));
    if (reaped != 1)
        die("waitpid");
    pid = start_child(true);
    info = take_signal();
    printf("\"killed_code\": \"%s\", \"killed_by_kill\": %s, ",
           info.si_code == CLD_KILLED ? "CLD_KILLED" : "another",
           info.si_status == SIGKILL ? "true" : "false");
    until_ended(pid);
    reap_all();
}

/* They all end before the first signal is taken. */
static void several_children(void)
{
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++)
        children[i] = start_child(false);
    for (int i = 0; i < CHILDREN; i++)
        until_ended(children[i]);
    int signals = 0;
    while (another_signal())
        signals++;
    printf("\"children\": %d, \"signals\": %d, \"reaped_by_loop\": %d, ", CHILDREN, signals,
           reap_all());
}

/* waitpid() blocks until all have ended and then has nothing to tell. */
static const char *wait_result(pid_t pid)
{
    int status;
    pid_t result;
    do
        result = waitpid(pid, &status, 0);
    while (result == -1 && errno == EINTR);
    if (result == pid)
        return "status";
    return errno == ECHILD ? "nothing (ECHILD)" : "another errno";
}

int main(void)
{
    sigset_t set = chld_only();
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing buffered that fork() could print twice */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    arrange(nothing, 0); /* whoever started us may have ignored it, which leaves no zombies */
    printf("{");
    one_child();
    several_children();
    arrange(nothing, (int)SA_NOCLDWAIT);
    printf("\"wait_nocldwait\": \"%s\", ", wait_result(start_child(false)));
    arrange(SIG_IGN, 0);
    printf("\"wait_ignored\": \"%s\"}\n", wait_result(start_child(false)));
    return 0;
}
