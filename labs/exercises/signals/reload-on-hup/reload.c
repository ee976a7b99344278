/*
 * A daemon that reads its configuration again at SIGHUP, and keeps what it has: its process, its
 * connections, and the old configuration if the new one is broken.
 *
 * The daemon has no handler. SIGHUP and SIGTERM are blocked and read from a signalfd, so there is no
 * moment at which they could hurt. It drains that before it serves a request: who signalled first
 * and asked then gets the new answer.
 *
 * Man pages: signal(7), signalfd(2), daemon(7), rename(2), socketpair(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIGURATION "daemon.conf"
#define NEXT_CONFIGURATION "daemon.conf.new"

enum { CLIENT = 0, DAEMON = 1, LONGEST = 32 };

struct answer {
    pid_t pid;
    int reloads;
    char greeting[LONGEST];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* Into another file first: a reader finds the old one or the new one, whole: rename(2). */
static void configure(const char *line)
{
    FILE *file = fopen(NEXT_CONFIGURATION, "we");
    if (file == NULL || fputs(line, file) == EOF || fclose(file) == EOF)
        die(NEXT_CONFIGURATION);
    if (rename(NEXT_CONFIGURATION, CONFIGURATION) == -1)
        die("rename");
}

/* Changes `greeting` only if the whole file makes sense. */
static bool load(char greeting[LONGEST])
{
    char line[64], value[LONGEST];
    FILE *file = fopen(CONFIGURATION, "re");
    if (file == NULL)
        return false;
    bool good = fgets(line, sizeof line, file) != NULL &&
                sscanf(line, "greeting=%31[a-z ]\n", value) == 1;
    fclose(file);
    if (good)
        memcpy(greeting, value, sizeof value);
    return good;
}

/* Handles all signals that have come; false when the daemon is to end. */
static bool handle_signals(int signals, struct answer *state)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM)
            return false;
        if (load(state->greeting))
            state->reloads++;
    }
    return true;
}

static int watch(const sigset_t *set)
{
    int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd == -1)
        die("signalfd");
    return fd;
}

static _Noreturn void serve(int connection, const sigset_t *set)
{
    struct answer state;
    char request;
    int signals = watch(set);
    memset(&state, 0, sizeof state);
    state.pid = getpid();
    if (!load(state.greeting))
        die(CONFIGURATION); /* at the start there is no old one to keep */
    for (;;) {
        struct pollfd events[2] = {{.fd = signals, .events = POLLIN},
                                   {.fd = connection, .events = POLLIN}};
        if (poll(events, 2, -1) == -1)
            die("poll");
        if (!handle_signals(signals, &state))
            _exit(0);
        if (events[1].revents == 0)
            continue;
        if (read(connection, &request, 1) != 1)
            _exit(0);
        if (write(connection, &state, sizeof state) != sizeof state)
            die("write");
    }
}

/* Over the one connection that was opened at the start. */
static struct answer ask(int connection)
{
    struct answer answer;
    if (write(connection, "?", 1) != 1 || read(connection, &answer, sizeof answer) != sizeof answer)
        die("asking the daemon");
    return answer;
}

static struct answer ask_after(int connection, pid_t daemon, const char *configuration)
{
    configure(configuration);
    if (kill(daemon, SIGHUP) == -1)
        die("kill");
    return ask(connection);
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

/* What SIGHUP does to a program that did not think of it. */
static bool ends_without_care(void)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        for (;;)
            pause();
    if (kill(pid, SIGHUP) == -1)
        die("kill");
    int status = wait_for(pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP;
}

static void show(const struct answer *first, const struct answer *second,
                 const struct answer *third, bool clean_end)
{
    bool same = first->pid == second->pid && second->pid == third->pid;
    printf("\"before\": \"%s\", \"after_hup\": \"%s\", \"after_broken\": \"%s\", ",
           first->greeting, second->greeting, third->greeting);
    printf("\"reloads\": %d, \"same_process\": %s, \"term_ends_it\": %s}\n", third->reloads,
           same ? "true" : "false", clean_end ? "true" : "false");
}

int main(void)
{
    int ends[2];
    sigset_t set;
    const char *unprepared = ends_without_care() ? "ended" : "not ended";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    configure("greeting=hello\n");
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    /* Before fork(): the daemon never lives without its signals blocked. */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    pid_t daemon = fork();
    if (daemon == -1)
        die("fork");
    if (daemon == 0) {
        close(ends[CLIENT]);
        serve(ends[DAEMON], &set);
    }
    close(ends[DAEMON]);
    struct answer first = ask(ends[CLIENT]);
    struct answer second = ask_after(ends[CLIENT], daemon, "greeting=good day\n");
    struct answer third = ask_after(ends[CLIENT], daemon, "greeeting=oops\n");
    if (kill(daemon, SIGTERM) == -1 || unlink(CONFIGURATION) == -1)
        die("cleaning up");
    int status = wait_for(daemon);
    printf("{\"unprepared\": \"%s\", ", unprepared);
    show(&first, &second, &third, WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}
