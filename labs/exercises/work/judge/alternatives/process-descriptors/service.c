/*
 * Another design: a process descriptor (pidfd_open(2)) is readable when the program has ended, so no signal has to be turned
 * into something to poll for.
 *
 * A small judge: runs a program that nobody trusts, within limits, and says how it did.
 *
 *   service TIME_MS MEMORY_KIB OUTPUT_BYTES INPUT EXPECTED PROGRAM [ARG...]
 *
 * The program gets pipes for input and output, no other descriptor and no environment; limits and a
 * seccomp filter are the affair of confine.c. When it has ended or gone too far, its whole process group
 * is killed; orphans come back to us, who are the subreaper (prctl(2)), so that nothing is left.
 *
 * Man pages: prctl(2), setpgid(2), poll(2), pidfd_open(2), waitid(2), wait4(2), pipe(7).
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, CHUNK = 65536 };

struct bytes {
    char *data;
    size_t length;
};

enum cause { BY_ITSELF, BY_TIME, BY_OUTPUT, NOT_STARTED };

struct run {
    pid_t pid;
    int in, out;     /* our ends of its pipes; -1 when closed */
    int process;     /* readable when its first process has ended */
    struct timespec begun;
    size_t given;    /* how much of the input it took */
    struct bytes output;
    enum cause ended;
    int status;
    long peak_kib;   /* the most any of its processes had in memory */
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

/* ---- starting it ---- */

static int reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for KILL, STOP and those of the C library */
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Says by `tell` if it does not get as far as execve, which closes all that is close-on-exec. */
static _Noreturn void become(char *argv[], const struct limits *limits, int in, int out, int tell)
{
    char *const no_environment[] = {NULL};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (setpgid(0, 0) == 0 && null != -1 && dup2(in, STDIN_FILENO) != -1 && dup2(out, STDOUT_FILENO) != -1 &&
        dup2(null, STDERR_FILENO) != -1 && reset_signals() == 0 && confine(limits) == 0)
        execve(argv[0], argv, no_environment);
    (void)!write(tell, "!", 1);
    _exit(127);
}

/* True when it runs. */
static bool start(struct run *run, char *argv[], const struct limits *limits)
{
    int in[2], out[2], tell[2];
    char failed;
    if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1 || pipe2(tell, O_CLOEXEC) == -1)
        die("pipe2");
    if (fcntl(in[WRITE_END], F_SETFL, O_NONBLOCK) == -1 || fcntl(out[READ_END], F_SETFL, O_NONBLOCK) == -1)
        die("fcntl");
    clock_gettime(CLOCK_MONOTONIC, &run->begun);
    run->pid = fork();
    if (run->pid == -1)
        die("fork");
    if (run->pid == 0)
        become(argv, limits, in[READ_END], out[WRITE_END], tell[WRITE_END]);
    run->process = pidfd_open(run->pid, 0);
    if (run->process == -1)
        die("pidfd_open");
    close(in[READ_END]);
    close(out[WRITE_END]);
    close(tell[WRITE_END]);
    run->in = in[WRITE_END];
    run->out = out[READ_END];
    bool runs = read(tell[READ_END], &failed, 1) == 0;
    close(tell[READ_END]);
    return runs;
}

/* ---- watching it ---- */

static int remaining_ms(const struct run *run, const struct limits *limits)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long spent = (now.tv_sec - run->begun.tv_sec) * 1000 + (now.tv_nsec - run->begun.tv_nsec) / 1000000;
    return spent < limits->time_ms ? (int)(limits->time_ms - spent) : 0;
}

static void close_end(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

static void give(struct run *run, const struct bytes *input)
{
    ssize_t put = write(run->in, input->data + run->given, input->length - run->given);
    run->given += put > 0 ? (size_t)put : 0;
    if (run->given == input->length || (put == -1 && errno == EPIPE))
        close_end(&run->in);
}

/* Reads once; false when there was nothing. The buffer has room for one byte more than is allowed. */
static bool take(struct run *run, const struct limits *limits)
{
    ssize_t got = read(run->out, run->output.data + run->output.length, limits->output + 1 - run->output.length);
    if (got == 0)
        close_end(&run->out);
    run->output.length += got > 0 ? (size_t)got : 0;
    if (run->output.length > limits->output) {
        run->output.length = limits->output;
        run->ended = BY_OUTPUT;
    }
    return got > 0;
}

/* Its first process stays a zombie until end(), so that nobody else gets its number. */
static void watch(struct run *run, const struct bytes *input, const struct limits *limits)
{
    bool over = false;
    while (run->ended == BY_ITSELF && !over) {
        struct pollfd ready[] = {
            {.fd = run->in, .events = POLLOUT},
            {.fd = run->out, .events = POLLIN},
            {.fd = run->process, .events = POLLIN},
        };
        int left = remaining_ms(run, limits);
        if (left == 0)
            run->ended = BY_TIME;
        else if (poll(ready, 3, left) == -1 && errno != EINTR)
            die("poll");
        if (ready[0].revents != 0)
            give(run, input);
        if (ready[1].revents != 0)
            take(run, limits);
        over = ready[2].revents != 0;
    }
}

/* All of its processes, which cannot have left the group. Then what is still in the pipe. */
static void end(struct run *run, const struct limits *limits)
{
    struct rusage usage;
    int status;
    pid_t pid;
    kill(-run->pid, SIGKILL);
    while ((pid = wait4(-1, &status, 0, &usage)) != -1 || errno == EINTR) {
        if (pid == run->pid)
            run->status = status;
        if (pid > 0 && usage.ru_maxrss > run->peak_kib)
            run->peak_kib = usage.ru_maxrss;
    }
    while (run->ended == BY_ITSELF && run->out != -1 && take(run, limits))
        continue;
}

/* ---- the verdict ---- */

static const char *signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGHUP, "SIGHUP"},
        {SIGILL, "SIGILL"},   {SIGINT, "SIGINT"},   {SIGKILL, "SIGKILL"}, {SIGPIPE, "SIGPIPE"},
        {SIGSEGV, "SIGSEGV"}, {SIGSYS, "SIGSYS"},   {SIGTERM, "SIGTERM"}, {SIGTRAP, "SIGTRAP"},
        {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == number)
            return names[i].name;
    return "another";
}

static void print_verdict(const struct run *run, const struct limits *limits, const struct bytes *expected)
{
    bool same = run->output.length == expected->length &&
                memcmp(run->output.data, expected->data, expected->length) == 0;
    if (run->ended == NOT_STARTED)
        printf("not started\n");
    else if (run->ended == BY_OUTPUT)
        printf("output\n");
    else if (run->ended == BY_TIME)
        printf("time\n");
    else if (run->peak_kib > limits->memory_kib)
        printf("memory\n");
    else if (WIFSIGNALED(run->status))
        printf("signal %s\n", signal_name(WTERMSIG(run->status)));
    else if (WEXITSTATUS(run->status) != 0)
        printf("exit %d\n", WEXITSTATUS(run->status));
    else
        printf("%s\n", same ? "ok" : "wrong");
    printf("%zu\n", run->output.length);
    fwrite(run->output.data, 1, run->output.length, stdout);
    if (fflush(stdout) == EOF || ferror(stdout))
        die("standard output");
}

/* ---- ourselves ---- */

static struct bytes read_file(const char *path)
{
    struct bytes bytes = {.data = malloc(CHUNK)};
    size_t room = CHUNK, got;
    FILE *file = fopen(path, "re");
    if (file == NULL || bytes.data == NULL)
        die(path);
    while ((got = fread(bytes.data + bytes.length, 1, room - bytes.length, file)) > 0) {
        bytes.length += got;
        if (bytes.length == room && (bytes.data = realloc(bytes.data, room *= 2)) == NULL)
            die("realloc");
    }
    if (ferror(file))
        die(path);
    fclose(file);
    return bytes;
}

static long number(const char *text)
{
    char *rest;
    errno = 0;
    long value = strtol(text, &rest, 10);
    if (errno != 0 || *rest != '\0' || value <= 0 || value > INT32_MAX) {
        fprintf(stderr, "not a limit: %s\n", text);
        exit(2);
    }
    return value;
}

/* What whoever started us left open is not for the program. */
static void close_inherited(void)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0) == 0)
        return;
#endif
    for (long fd = sysconf(_SC_OPEN_MAX) - 1; fd > STDERR_FILENO; fd--)
        close((int)fd);
}

/* A broken pipe becomes an error, and every orphan our child. An inherited SIG_IGN would take our children's ends. */
static void prepare(void)
{
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signals");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
        die("prctl");
}

int main(int argc, char *argv[])
{
    if (argc < 7) {
        fprintf(stderr, "usage: service TIME_MS MEMORY_KIB OUTPUT_BYTES INPUT EXPECTED PROGRAM [ARG...]\n");
        return 2;
    }
    close_inherited();
    struct limits limits = {number(argv[1]), number(argv[2]), (size_t)number(argv[3])};
    struct bytes input = read_file(argv[4]), expected = read_file(argv[5]);
    struct run run = {.in = -1, .out = -1, .process = -1, .output.data = malloc(limits.output + 1)};
    prepare();
    if (run.output.data == NULL)
        die("malloc");
    if (start(&run, argv + 6, &limits)) {
        if (input.length == 0)
            close_end(&run.in);
        watch(&run, &input, &limits);
    } else {
        run.ended = NOT_STARTED;
    }
    end(&run, &limits);
    print_verdict(&run, &limits, &expected);
    free(run.output.data);
    free(expected.data);
    free(input.data);
    return 0;
}
