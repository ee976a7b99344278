/*
 * Signals from the keyboard: nobody but the terminal sends them.
 *
 * The program makes a pseudo-terminal and types into its master side what a keyboard would send.
 * On the other side are a session leader (the shell's part), a foreground group of two processes
 * (a pipeline's part) and a background group of one. Each reports every signal that it gets.
 *
 * Shown: which byte becomes which signal; all of the foreground group get it and nobody else;
 * without ISIG it is a byte like any other; closing the terminal is a hang-up.
 *
 * Man pages: pty(7), termios(3), credentials(7), tcsetpgrp(3), sigwait(3), signal(7).
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
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LEADER, FRONT_A, FRONT_B, BACK, MEMBERS };
enum { CTRL_C = 3, CTRL_Z = 26, CTRL_BACKSLASH = 28 };
enum { PATIENCE_MS = 60 * 1000 };

/* `signal` is 0 in the first report of each: it is ready. */
struct report {
    int who;
    int signal;
    pid_t pid;
};

/* What everybody has reported so far. */
struct log {
    int reports;
    pid_t pids[MEMBERS];
    int ready;
    int got[MEMBERS][_NSIG];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case ENOENT: return "blocked (ENOENT)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another errno)";
    }
}

/* Smaller than PIPE_BUF: written whole, never mixed with the reports of others. */
static void tell(int reports, int who, int signal)
{
    struct report report = {.who = who, .signal = signal, .pid = getpid()};
    if (write(reports, &report, sizeof report) != sizeof report)
        die("write");
}

static sigset_t watched(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGTERM);
    return set;
}

/* Blocked signals wait to be taken; no handler, no race. SIGTERM comes from us, at the end. */
static _Noreturn void be_a_member(int who, int reports)
{
    const struct timespec now = {0, 0};
    sigset_t set = watched();
    int signal = 0;
    tell(reports, who, 0);
    while (signal != SIGTERM) {
        if (sigwait(&set, &signal) != 0)
            die("sigwait");
        tell(reports, who, signal);
    }
    while ((signal = sigtimedwait(&set, NULL, &now)) > 0)
        tell(reports, who, signal); /* whatever else had come by then */
    _exit(0);
}

static pid_t start_member(int who, int reports)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        be_a_member(who, reports);
    return pid;
}

/* A session leader without a terminal gets the first one that it opens: credentials(7). */
static _Noreturn void lead(const char *name, int reports)
{
    if (setsid() == -1)
        die("setsid");
    int terminal = open(name, O_RDWR | O_CLOEXEC);
    if (terminal == -1)
        die(name);
    pid_t front_a = start_member(FRONT_A, reports);
    pid_t front_b = start_member(FRONT_B, reports);
    pid_t back = start_member(BACK, reports);
    if (setpgid(front_a, front_a) == -1 || setpgid(front_b, front_a) == -1 ||
        setpgid(back, back) == -1)
        die("setpgid");
    if (tcsetpgrp(terminal, front_a) == -1)
        die("tcsetpgrp");
    tell(reports, LEADER, 0);
    sigset_t set = watched();
    int signal;
    if (sigwait(&set, &signal) != 0)
        die("sigwait");
    tell(reports, LEADER, signal);
    _exit(0);
}

/* Takes one report. False when all who could report are gone, or nobody does for a long time. */
static bool listen_once(struct log *log)
{
    struct pollfd wait_for = {.fd = log->reports, .events = POLLIN, .revents = 0};
    struct report report;
    int ready;
    do
        ready = poll(&wait_for, 1, PATIENCE_MS);
    while (ready == -1 && errno == EINTR);
    if (ready <= 0 || read(log->reports, &report, sizeof report) != sizeof report)
        return false;
    if (report.signal == 0) {
        log->pids[report.who] = report.pid;
        log->ready++;
    } else {
        log->got[report.who][report.signal]++;
    }
    return true;
}

static int foreground_with(const struct log *log, int signal)
{
    return (log->got[FRONT_A][signal] > 0) + (log->got[FRONT_B][signal] > 0);
}

static void listen_for(struct log *log, int signal)
{
    while (foreground_with(log, signal) < 2)
        if (!listen_once(log))
            return;
}

static void type_key(int master, char key)
{
    if (write(master, &key, 1) != 1)
        die("write to the terminal");
}

/* Ctrl-C once more, with signals switched off: what the program that reads would see, or -1. */
static int type_without_isig(int master, int slave)
{
    struct termios modes;
    struct pollfd wait_for = {.fd = slave, .events = POLLIN, .revents = 0};
    char key;
    if (tcgetattr(slave, &modes) == -1)
        die("tcgetattr");
    modes.c_lflag &= ~(tcflag_t)(ISIG | ICANON | ECHO);
    if (tcsetattr(slave, TCSANOW, &modes) == -1)
        die("tcsetattr");
    type_key(master, CTRL_C);
    if (poll(&wait_for, 1, PATIENCE_MS) != 1 || read(slave, &key, 1) != 1)
        return -1;
    return key;
}

/* The terminal goes away: SIGHUP to the leader; when that ends, to the foreground: setsid(2). */
static void hang_up(struct log *log, int master, int slave)
{
    close_end(slave);
    close_end(master);
    listen_for(log, SIGHUP);
}

/* SIGTERM comes last, so that a member which got anything else has said so before. */
static void end_members(struct log *log)
{
    for (int who = FRONT_A; who < MEMBERS; who++)
        if (kill(log->pids[who], SIGTERM) == -1)
            die("kill");
    while (listen_once(log))
        continue;
}

static int open_master(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master != -1 && (grantpt(master) == -1 || unlockpt(master) == -1))
        die("unlockpt");
    return master;
}

static const char *key_became(const struct log *log, int signal, const char *name)
{
    return foreground_with(log, signal) > 0 ? name : "nothing";
}

static int keys_reached(const struct log *log, int who)
{
    return log->got[who][SIGINT] + log->got[who][SIGQUIT] + log->got[who][SIGTSTP];
}

static void show(const struct log *log, int raw)
{
    printf("{\"terminal\": \"allowed\", \"ctrl_c\": \"%s\", \"ctrl_backslash\": \"%s\", ",
           key_became(log, SIGINT, "SIGINT"), key_became(log, SIGQUIT, "SIGQUIT"));
    printf("\"ctrl_z\": \"%s\", ", key_became(log, SIGTSTP, "SIGTSTP"));
    printf("\"signals_foreground\": %d, \"signals_background\": %d, \"signals_leader\": %d, ",
           keys_reached(log, FRONT_A) + keys_reached(log, FRONT_B), keys_reached(log, BACK),
           keys_reached(log, LEADER));
    printf("\"without_isig\": \"byte %d\", \"hangup_leader\": %d, \"hangup_foreground\": %d, ",
           raw, log->got[LEADER][SIGHUP], foreground_with(log, SIGHUP));
    printf("\"hangup_background\": %d}\n", log->got[BACK][SIGHUP]);
}

static void demonstrate(int master, const char *name)
{
    int ends[2];
    struct log log;
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t leader = fork();
    if (leader == -1)
        die("fork");
    if (leader == 0) {
        close_end(master);
        close_end(ends[0]);
        lead(name, ends[1]);
    }
    close_end(ends[1]);
    memset(&log, 0, sizeof log);
    log.reports = ends[0];
    while (log.ready < MEMBERS)
        if (!listen_once(&log))
            die("not all of them started");
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave == -1)
        die(name);
    type_key(master, CTRL_C);
    listen_for(&log, SIGINT);
    type_key(master, CTRL_BACKSLASH);
    listen_for(&log, SIGQUIT);
    type_key(master, CTRL_Z);
    listen_for(&log, SIGTSTP);
    int raw = type_without_isig(master, slave);
    hang_up(&log, master, slave);
    end_members(&log);
    if (waitpid(leader, NULL, 0) == -1)
        die("waitpid");
    show(&log, raw);
}

int main(void)
{
    sigset_t set = watched();
    setvbuf(stdout, NULL, _IOLBF, 0);
    int master = open_master();
    if (master == -1) {
        printf("{\"terminal\": \"%s\"}\n", verdict(errno));
        return 0;
    }
    const char *name = ptsname(master);
    if (name == NULL)
        die("ptsname");
    /* Before fork(), so that no signal can come earlier: the mask is inherited. */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    demonstrate(master, name);
    return 0;
}
