/*
 * Another design: signals are read from a descriptor, signalfd(2), with the same facts about their sender.
 *
 * A program that acts on signals, but only if they come from whom it trusts.
 *
 *   service UID
 *
 * All signals are blocked and taken one at a time with what the kernel knows of their sender. Only
 * SI_USER is believed: there the kernel filled in process and user. With other codes the sender may have
 * filled them in itself. The parent is noted at the start: when it is gone, another process becomes
 * our parent, but not the one that started us.
 *
 * Man pages: sigaction(2) "siginfo_t", signalfd(2), sigprocmask(2), rt_sigqueueinfo(2), getppid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
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
static bool from_parent(const struct signalfd_siginfo *info, const struct trust *trust)
{
    return info->ssi_code == SI_USER && (pid_t)info->ssi_pid == trust->parent && getppid() == trust->parent;
}

static bool from_user(const struct signalfd_siginfo *info, const struct trust *trust)
{
    return info->ssi_code == SI_USER && info->ssi_uid == trust->user;
}

static void tell(const char *name, const char *what)
{
    if (printf("%s %s\n", name, what) < 0 || fflush(stdout) == EOF)
        die("stdout");
}

static void act(const struct signalfd_siginfo *info, const struct trust *trust)
{
    switch (info->ssi_signo) {
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
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) == -1)
        die("sigprocmask");
    int signals = signalfd(-1, &all, SFD_CLOEXEC);
    if (signals == -1)
        die("signalfd");
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("stdout");
    for (;;) {
        struct signalfd_siginfo info;
        ssize_t got = read(signals, &info, sizeof info);
        if (got == (ssize_t)sizeof info)
            act(&info, &trust);
        else if (got != -1 || errno != EINTR)
            die("signalfd");
    }
}
