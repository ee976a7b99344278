/* Running a program that is not trusted: see harness.h. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, LOOK_AGAIN_MS = 50, CHUNK = 16384, MANY_DESCRIPTORS = 256 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

void harness_begin(void)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("prctl");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing in a buffer that a child could print again */
}

static _Noreturn void become(char *const argv[], int in, int out, int err)
{
    setpgid(0, 0);
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        die("signal");
    if (dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 || dup2(err, STDERR_FILENO) == -1)
        die("dup2");
    for (int fd = STDERR_FILENO + 1; fd < MANY_DESCRIPTORS; fd++)
        close(fd); /* nothing of ours, nor of whoever started us */
    execv(argv[0], argv);
    die(argv[0]);
}

static void pipe_pair(int ends[2], int ours)
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    if (fcntl(ends[ours], F_SETFL, O_NONBLOCK) == -1)
        die("fcntl");
}

struct child start(char *const argv[], size_t room)
{
    int in[2], out[2], err[2];
    pipe_pair(in, WRITE_END);
    pipe_pair(out, READ_END);
    pipe_pair(err, READ_END);
    struct child child = {.room = room, .output = calloc(room + 1, 1)};
    if (child.output == NULL)
        die("calloc");
    child.pid = fork();
    if (child.pid == -1)
        die("fork");
    if (child.pid == 0)
        become(argv, in[READ_END], out[WRITE_END], err[WRITE_END]);
    setpgid(child.pid, child.pid); /* on both sides: whoever comes first */
    close(in[READ_END]);
    close(out[WRITE_END]);
    close(err[WRITE_END]);
    child.in = in[WRITE_END];
    child.out = out[READ_END];
    child.err = err[READ_END];
    return child;
}

static void close_end(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

/* Reads once; 1 when there was something, 0 when there was nothing yet, -1 at the end. */
static int read_some(int fd, char *buffer, size_t *got)
{
    ssize_t count = read(fd, buffer, CHUNK);
    *got = count > 0 ? (size_t)count : 0;
    if (count > 0)
        return 1;
    return count == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static bool take_output(struct child *child)
{
    char buffer[CHUNK];
    size_t got;
    int result = read_some(child->out, buffer, &got);
    if (result == -1)
        close_end(&child->out);
    size_t room = child->room - child->length;
    child->flooded = child->flooded || got > room;
    size_t kept = got < room ? got : room;
    memcpy(child->output + child->length, buffer, kept);
    child->length += kept;
    return result == 1;
}

/* What a program says on its standard error is for whoever reads ours, but not without end. */
static bool take_errors(struct child *child)
{
    char buffer[CHUNK];
    size_t got;
    int result = read_some(child->err, buffer, &got);
    if (result == -1)
        close_end(&child->err);
    if (child->errors < ERRORS_KEPT && got > 0)
        (void)!write(STDERR_FILENO, buffer, got);
    child->errors += got;
    return result == 1;
}

static bool give_input(struct child *child, const char **input, size_t *length)
{
    ssize_t put = write(child->in, *input, *length);
    if (put == -1 && errno != EAGAIN && errno != EINTR)
        close_end(&child->in); /* EPIPE: it does not read any more */
    if (put <= 0)
        return false;
    *input += put;
    *length -= (size_t)put;
    return true;
}

static void reap(struct child *child)
{
    if (!child->ended && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
        child->ended = true;
}

static size_t count_lines(const struct child *child)
{
    size_t lines = 0;
    for (size_t i = 0; i < child->length; i++)
        lines += child->output[i] == '\n';
    return lines;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* It stands after the program's name, in which there may be anything. */
char process_state(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 'X';
    const char *after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    char state = after != NULL && strlen(after) > 2 ? after[2] : '?';
    fclose(file);
    return state;
}

/* Whatever can be done without waiting long; true when anything moved. */
static bool pass_on(struct child *child, const char **input, size_t *length)
{
    struct pollfd ready[] = {
        {.fd = *length > 0 ? child->in : -1, .events = POLLOUT},
        {.fd = child->out, .events = POLLIN},
        {.fd = child->err, .events = POLLIN},
    };
    bool moved = false;
    if (poll(ready, 3, LOOK_AGAIN_MS) == -1 && errno != EINTR)
        die("poll");
    if (ready[0].revents != 0)
        moved |= give_input(child, input, length);
    if (ready[1].revents != 0)
        moved |= take_output(child);
    if (ready[2].revents != 0)
        moved |= take_errors(child);
    return moved;
}

bool converse(struct child *child, const void *data, size_t length, enum until until)
{
    const char *input = data;
    size_t lines = count_lines(child);
    double moved_last = now(), awake_last = moved_last;
    for (;;) {
        if (until == END && (length == 0 || child->in == -1))
            close_end(&child->in);
        if (until == SENT && (length == 0 || child->in == -1))
            return length == 0;
        if (until == LINE && length == 0 && count_lines(child) > lines)
            return true;
        bool was_over = child->ended; /* what it wrote before is in the pipe by now */
        reap(child);
        bool moved = pass_on(child, &input, &length);
        if (moved || was_over != child->ended)
            moved_last = now();
        if (moved || strchr("ST", process_state(child->pid)) == NULL)
            awake_last = now();
        child->hung = !child->ended && (now() - awake_last > SILENCE_SECONDS ||
                                        now() - moved_last > PATIENCE_SECONDS);
        if (child->hung || child->flooded)
            break;
        if (was_over && !moved) /* also when somebody it left behind holds the pipe open */
            return until == END;
    }
    return false;
}

void finish(struct child *child)
{
    kill(-child->pid, SIGKILL);
    while (!child->ended && waitpid(child->pid, &child->status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    child->ended = true;
    close_end(&child->in);
    close_end(&child->out);
    close_end(&child->err);
    free(child->output);
    child->output = NULL;
}

struct child run_to_end(char *const argv[], const void *input, size_t length, size_t room)
{
    struct child child = start(argv, room);
    converse(&child, input, length, END);
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
    default: return "another";
    }
}

const char *ending(const struct child *child)
{
    static char words[32];
    if (child->hung || child->flooded || !child->ended)
        snprintf(words, sizeof words, "%s", child->flooded ? "flood" : "silent");
    else if (WIFSIGNALED(child->status))
        snprintf(words, sizeof words, "signal %s", signal_name(WTERMSIG(child->status)));
    else
        snprintf(words, sizeof words, "exit %d", WEXITSTATUS(child->status));
    return words;
}

void print_json_text(const char *text, size_t length, size_t most)
{
    putchar('"');
    for (size_t i = 0; i < length && i < most; i++) {
        if (text[i] == '\n')
            fputs("\\n", stdout);
        else if (text[i] == '"' || text[i] == '\\')
            printf("\\%c", text[i]);
        else
            putchar(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    }
    putchar('"');
}
