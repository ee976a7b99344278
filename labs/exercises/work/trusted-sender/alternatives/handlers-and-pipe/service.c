/*
 * Another design: handlers, which note what the kernel told them in a pipe, and a main loop that judges. They run
 * in ppoll(2) only, where at most one of each signal waits: the pipe never fills up. All other signals are ignored.
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
 * Man pages: sigaction(2) "siginfo_t", ppoll(2), pipe(7), sigprocmask(2), rt_sigqueueinfo(2), getppid(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

static int notes[2];

/* A siginfo_t is smaller than PIPE_BUF: it goes whole. */
static void note(int number, siginfo_t *info, void *context)
{
    int before = errno;
    (void)number;
    (void)context;
    if (write(notes[1], info, sizeof *info) != (ssize_t)sizeof *info)
        _exit(1);
    errno = before;
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

/* Whatever was inherited: three signals are taken, and no other one has an effect. */
static void set_up_signals(sigset_t *while_waiting)
{
    static const int taken[] = {SIGUSR1, SIGUSR2, SIGTERM};
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigset_t all;

    sigfillset(&all);
    action.sa_mask = all;
    if (sigprocmask(SIG_SETMASK, &all, NULL) == -1 || pipe2(notes, O_CLOEXEC) == -1)
        die("signals");
    for (int number = 1; number <= SIGRTMAX; number++)
        (void)signal(number, SIG_IGN); /* fails for SIGKILL, SIGSTOP and those of the C library */
    *while_waiting = all;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        sigdelset(while_waiting, taken[i]);
        if (sigaction(taken[i], &action, NULL) == -1)
            die("sigaction");
    }
}

int main(int argc, char *argv[])
{
    sigset_t while_waiting;
    if (argc != 2) {
        fprintf(stderr, "usage: %s UID\n", argv[0]);
        return 1;
    }
    struct trust trust = {.parent = getppid(), .user = parse_user(argv[1])};
    set_up_signals(&while_waiting);
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("stdout");
    for (;;) {
        struct pollfd noted = {.fd = notes[0], .events = POLLIN};
        siginfo_t info;
        int ready = ppoll(&noted, 1, NULL, &while_waiting);
        if (ready == -1 && errno != EINTR)
            die("ppoll");
        if (ready == 1 && read(notes[0], &info, sizeof info) == (ssize_t)sizeof info)
            act(&info, &trust);
    }
}
