/* A program that is not trusted: see child.h. Man pages: pipe(7), poll(2), prctl(2), setpgid(2), wait(2). */
#define _GNU_SOURCE 1
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_END = 0,
    WRITE_END = 1,
    MANY_DESCRIPTORS = 256,
    ERRORS_KEPT = 4096,
    ERRORS_BORNE = 16 << 20, /* beyond these; with more it says too much */
    COMPUTES_FOR = 10,       /* seconds of processor time, long before it is silent for PATIENCE_MS */
    LINGER_MS = 5 * 1000,    /* for what it left behind, when nothing is heard of that */
};

enum until { SENT, MORE, ENDED };

void protect_tester(void)
{
    /* A process that is not dumpable has /proc files of root's and cannot be traced: ptrace(2). */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("prctl");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
    if (setvbuf(stdout, NULL, _IOLBF, 0) != 0) /* nothing buffered that fork(2) could print twice */
        die("setvbuf");
}

static void make_pipe(int ends[2], int ours)
{
    if (pipe2(ends, O_CLOEXEC) == -1 || fcntl(ends[ours], F_SETFL, O_NONBLOCK) == -1)
        die("pipe2");
}

/* Nothing of ours, nor of whoever started us. `prepare` may use them still. */
static void close_the_rest_on_exec(void)
{
    for (int fd = STDERR_FILENO + 1; fd < MANY_DESCRIPTORS; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 && errno != EBADF)
            die("fcntl");
}

/* A program that never ends is over soon, and the next test begins. It may still catch the first signal. */
static void limit_computing(void)
{
    const struct rlimit limit = {COMPUTES_FOR, COMPUTES_FOR + 1};
    if (setrlimit(RLIMIT_CPU, &limit) == -1)
        die("setrlimit");
}

static _Noreturn void become(char *const argv[], const int ends[3], void (*prepare)(void))
{
    if (setpgid(0, 0) == -1 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        die("setpgid, signal");
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(ends[fd], fd) == -1)
            die("dup2");
    close_the_rest_on_exec();
    limit_computing();
    if (prepare != NULL)
        prepare();
    execv(argv[0], argv);
    die(argv[0]);
}

struct child start_child(char *const argv[], void (*prepare)(void), size_t room)
{
    int in[2], out[2], err[2];
    make_pipe(in, WRITE_END);
    make_pipe(out, READ_END);
    make_pipe(err, READ_END);
    pid_t pid = fork();
    if (pid == -1)
        cannot_start();
    if (pid == 0)
        become(argv, (const int[]){in[READ_END], out[WRITE_END], err[WRITE_END]}, prepare);
    /* The child does the same; whoever comes first, the group is there. EACCES: it has become argv[0]. */
    if (setpgid(pid, pid) == -1 && errno != EACCES && errno != ESRCH)
        die("setpgid");
    close_end(&in[READ_END]);
    close_end(&out[WRITE_END]);
    close_end(&err[WRITE_END]);
    return (struct child){
        .pid = pid,
        .in = in[WRITE_END],
        .out = open_source(out[READ_END], pid, room),
        .err = open_source(err[READ_END], pid, ERRORS_KEPT),
        .silence = SILENCE_MS,
    };
}

/* It stays there to be reaped, so that its number, and its group's, is nobody else's. */
static bool has_ended(const struct child *child)
{
    siginfo_t about = {.si_pid = 0};
    int found;
    do
        found = waitid(P_PID, (id_t)child->pid, &about, WEXITED | WNOHANG | WNOWAIT);
    while (found == -1 && errno == EINTR);
    if (found == -1)
        die("waitid");
    return about.si_pid == child->pid;
}

/* What is still to be said to a child. */
struct input {
    const char *next;
    size_t left;
};

static bool give(struct child *child, struct input *input)
{
    ssize_t count = write(child->in, input->next, input->left);
    if (count == -1 && errno == EPIPE)
        close_end(&child->in);
    else if (count == -1 && errno != EAGAIN && errno != EINTR)
        die("write");
    if (count <= 0)
        return false;
    input->next += count;
    input->left -= (size_t)count;
    return true;
}

/* What has happened within LOOK_MS. */
struct news {
    bool given, heard;
};

static struct news exchange(struct child *child, struct input *input)
{
    struct pollfd ends[] = {
        {.fd = input->left > 0 ? child->in : -1, .events = POLLOUT},
        {.fd = child->out.fd, .events = POLLIN},
        {.fd = child->err.fd, .events = POLLIN},
    };
    struct news news = {false, false};
    if (poll(ends, 3, LOOK_MS) == -1) {
        if (errno != EINTR)
            die("poll");
        return news;
    }
    if (ends[0].revents != 0)
        news.given = give(child, input);
    if (ends[1].revents != 0)
        news.heard = read_once(&child->out) == 1;
    if (ends[2].revents != 0)
        news.heard = read_once(&child->err) == 1 || news.heard;
    child->flooded = child->out.lost > 0 || child->err.lost > ERRORS_BORNE;
    return news;
}

/* It has ended, and nothing moves: somebody it left behind may hold its pipes open nevertheless. */
static bool is_over(const struct child *child, int *lingered)
{
    *lingered += LOOK_MS;
    return *lingered >= LINGER_MS || all_asleep(child->pid);
}

static bool converse(struct child *child, struct input input, enum until until)
{
    struct quiet quiet = {0, 0};
    int lingered = 0;
    while (!child->hung && !child->flooded) {
        if (until == SENT && (input.left == 0 || child->in == -1))
            return input.left == 0;
        bool had_ended = has_ended(child); /* what it wrote before is in the pipes by now */
        struct news news = exchange(child, &input);
        if (until == MORE && news.heard)
            return true;
        if (news.given || news.heard)
            quiet = (struct quiet){0, 0};
        else if (!had_ended)
            child->hung = !still_patient(&quiet, child->pid, child->silence);
        else if (is_over(child, &lingered))
            return until == ENDED;
    }
    return false;
}

bool tell(struct child *child, const void *bytes, size_t length)
{
    return converse(child, (struct input){bytes, length}, SENT);
}

bool hear_more(struct child *child)
{
    return converse(child, (struct input){NULL, 0}, MORE);
}

bool hear_a_line(struct child *child, size_t from)
{
    while (memchr(child->out.text + from, '\n', child->out.length - from) == NULL)
        if (!hear_more(child))
            return false;
    return true;
}

/* Its number is its own until it is reaped, and so is its group's. */
static void settle(struct child *child)
{
    if (child->reaped)
        return;
    if (kill(-child->pid, SIGKILL) == -1 && errno != ESRCH)
        die("kill");
    child->status = wait_for(child->pid);
    child->reaped = true;
}

bool await_end(struct child *child)
{
    bool well = converse(child, (struct input){NULL, 0}, ENDED);
    settle(child);
    return well;
}

bool hear_out(struct child *child)
{
    close_end(&child->in);
    return await_end(child);
}

/* For a person to read. */
static void repeat_errors(struct source *err)
{
    while (err->fd != -1 && err->length < err->room && read_once(err) == 1)
        continue;
    if (fputs(said_on(err), stderr) == EOF)
        die("standard error");
}

void end_child(struct child *child)
{
    settle(child);
    repeat_errors(&child->err);
    close_end(&child->in);
    close_source(&child->out);
    close_source(&child->err);
}

struct child run_to_end(char *const argv[], const void *input, size_t length, size_t room)
{
    struct child child = start_child(argv, NULL, room);
    tell(&child, input, length);
    hear_out(&child);
    return child;
}

/* Signals have other numbers on MIPS, so numbers would not compare. */
static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGABRT: return "SIGABRT";
    case SIGKILL: return "SIGKILL";
    case SIGTERM: return "SIGTERM";
    case SIGPIPE: return "SIGPIPE";
    case SIGSYS: return "SIGSYS";
    case SIGXCPU: return "SIGXCPU";
    default: return "another";
    }
}

const char *ending(const struct child *child)
{
    static char words[32];
    if (child->flooded)
        return "flood";
    if (child->hung || !child->reaped)
        return "silent";
    if (WIFSIGNALED(child->status))
        snprintf(words, sizeof words, "signal %s", signal_name(WTERMSIG(child->status)));
    else
        snprintf(words, sizeof words, "exit %d", WEXITSTATUS(child->status));
    return words;
}

int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}
