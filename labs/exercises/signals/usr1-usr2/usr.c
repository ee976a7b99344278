/*
 * SIGUSR1 and SIGUSR2: two signals whose meaning the program gives them.
 *
 * The worker here does as long-running programs do: SIGUSR1 makes it say how far it is (as dd
 * does), SIGUSR2 switches detailed messages on and off. Both are taken at one place in its loop.
 * A program that gives them no meaning is ended by them: who signals must know whom.
 *
 * Man pages: signal(7), signalfd(2), dd(1), socketpair(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the worker says. `reason`: 's' a step was done, 'p' progress was asked for. */
struct message {
    char reason;
    int steps;
    bool detailed;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static sigset_t user_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    return set;
}

static void say(int link, char reason, int steps, bool detailed)
{
    struct message message;
    memset(&message, 0, sizeof message);
    message.reason = reason;
    message.steps = steps;
    message.detailed = detailed;
    if (write(link, &message, sizeof message) != sizeof message)
        die("write");
}

static bool next_signal(int signals, int *number)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info)
        return false;
    *number = (int)info.ssi_signo;
    return true;
}

/* One step per byte. Signals first: what was sent before a step counts for that step. */
static _Noreturn void work(int link)
{
    sigset_t set = user_signals();
    int steps = 0, number, signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    bool detailed = false;
    char order;
    if (signals == -1)
        die("signalfd");
    for (;;) {
        struct pollfd events[2] = {{.fd = signals, .events = POLLIN},
                                   {.fd = link, .events = POLLIN}};
        if (poll(events, 2, -1) == -1)
            die("poll");
        while (next_signal(signals, &number)) {
            if (number == SIGUSR1)
                say(link, 'p', steps, detailed);
            else
                detailed = !detailed;
        }
        if (events[1].revents == 0)
            continue;
        if (read(link, &order, 1) != 1)
            _exit(0);
        say(link, 's', ++steps, detailed);
    }
}

static struct message hear(int link)
{
    struct message message;
    if (read(link, &message, sizeof message) != sizeof message)
        die("the worker says nothing");
    return message;
}

static struct message step(int link)
{
    if (write(link, "s", 1) != 1)
        die("write");
    return hear(link);
}

static void notify(pid_t pid, int number)
{
    if (kill(pid, number) == -1)
        die("kill");
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static const char *fate_of_unprepared(int number)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        for (;;)
            pause();
    notify(pid, number);
    int status = wait_for(pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == number ? "ended" : "unknown";
}

static pid_t start_worker(int *link)
{
    int ends[2];
    sigset_t set = user_signals();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    /* Before fork(): a signal that comes early waits in place of ending the worker. */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        work(ends[1]);
    }
    close(ends[1]);
    *link = ends[0];
    return pid;
}

int main(void)
{
    int link;
    const char *first_fate = fate_of_unprepared(SIGUSR1);
    const char *second_fate = fate_of_unprepared(SIGUSR2);
    pid_t pid = start_worker(&link);
    bool at_first = step(link).detailed;
    step(link);
    step(link);
    notify(pid, SIGUSR1);
    struct message progress = hear(link);
    notify(pid, SIGUSR2);
    bool once = step(link).detailed;
    notify(pid, SIGUSR2);
    bool twice = step(link).detailed;
    close(link);
    int status = wait_for(pid);
    printf("asked after three steps, the worker says %d\n", progress.steps);
    printf("{\"unprepared_usr1\": \"%s\", \"unprepared_usr2\": \"%s\", ", first_fate, second_fate);
    printf("\"progress\": %d, \"detail_at_first\": \"%s\", ",
           progress.reason == 'p' ? progress.steps : -1, at_first ? "on" : "off");
    printf("\"detail_after_usr2\": \"%s\", \"detail_after_two\": \"%s\", \"worker_lives\": %s, ",
           once ? "on" : "off", twice ? "on" : "off", WIFEXITED(status) ? "true" : "false");
    printf("\"number_usr1\": %d, \"number_usr2\": %d}\n", SIGUSR1, SIGUSR2);
    return 0;
}
