/*
 * Wrong: it blocks the three signals that it knows, and any other one ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct trust {
    pid_t parent;
    uid_t user;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The same process for sure: its number is not given away while it lives and is our parent. */
static bool from_parent(const siginfo_t *info, const struct trust *trust)
{
    return info->si_code == SI_USER && info->si_pid == trust->parent && getppid() == trust->parent;
}

static bool from_user(const siginfo_t *info, const struct trust *trust)
{
    return info->si_code == SI_USER && info->si_uid == trust->user;
}

static void tell(const char *name, const char *what)
{
    if (printf("%s %s\n", name, what) < 0 || fflush(stdout) == EOF)
        die("stdout");
}

static void act(const siginfo_t *info, const struct trust *trust)
{
    switch (info->si_signo) {
    case SIGUSR1: tell("step", from_parent(info, trust) ? "obeyed" : "refused"); break;
    case SIGUSR2: tell("report", from_user(info, trust) ? "obeyed" : "refused"); break;
    case SIGTERM:
        if (from_parent(info, trust)) {
            tell("end", "obeyed");
            exit(0);
        }
        tell("end", "refused");
        break;
    default: break; /* nobody may end us by a signal that means nothing here */
    }
}

static uid_t parse_user(const char *text)
{
    char *rest;
    errno = 0;
    unsigned long number = strtoul(text, &rest, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *rest != '\0' || number != (uid_t)number) {
        fprintf(stderr, "%s: not the number of a user\n", text);
        exit(1);
    }
    return (uid_t)number;
}

int main(int argc, char *argv[])
{
    sigset_t all;
    if (argc != 2) {
        fprintf(stderr, "usage: %s UID\n", argv[0]);
        return 1;
    }
    struct trust trust = {.parent = getppid(), .user = parse_user(argv[1])};
    sigemptyset(&all); /* wrong: these three only */
    sigaddset(&all, SIGUSR1);
    sigaddset(&all, SIGUSR2);
    sigaddset(&all, SIGTERM);
    if (sigprocmask(SIG_SETMASK, &all, NULL) == -1)
        die("sigprocmask");
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("stdout");
    for (;;) {
        siginfo_t info;
        if (sigwaitinfo(&all, &info) != -1)
            act(&info, &trust);
        else if (errno != EINTR)
            die("sigwaitinfo");
    }
}
