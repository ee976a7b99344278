/*
 * What signals do to a process that has made no arrangements for them.
 *
 * Shown: the default action of ten signals, each sent with kill() to a fresh child and observed
 * with waitpid(); the numbers behind the names, which depend on the architecture; and that no
 * program can arrange anything for SIGKILL and SIGSTOP.
 *
 * Man pages: signal(7), kill(2), waitpid(2), sigaction(2), sigprocmask(2), core(5), prctl(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, UNHARMED = 42 };

static const struct {
    const char *name;
    int number;
} SIGNALS[] = {
    {"term", SIGTERM}, {"kill", SIGKILL}, {"hup", SIGHUP},   {"int", SIGINT},   {"quit", SIGQUIT},
    {"stop", SIGSTOP}, {"cont", SIGCONT}, {"usr1", SIGUSR1}, {"usr2", SIGUSR2}, {"chld", SIGCHLD},
};

enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof SIGNALS[0] };

/* A child, and the pipe whose bytes it waits for. */
struct target {
    pid_t pid;
    int orders;
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

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

static ssize_t read_byte(int fd)
{
    char byte;
    ssize_t n;
    do
        n = read(fd, &byte, 1);
    while (n == -1 && errno == EINTR);
    return n;
}

static ssize_t write_byte(int fd)
{
    ssize_t n;
    do
        n = write(fd, "x", 1);
    while (n == -1 && errno == EINTR);
    return n;
}

/*
 * Ignored signals stay ignored and blocked ones blocked through fork() and execve(): whoever
 * started us may have left some so (nohup does). For the default actions, start from defaults.
 */
static void restore_defaults(void)
{
    sigset_t none;
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        int number = SIGNALS[i].number;
        if (number != SIGKILL && number != SIGSTOP && signal(number, SIG_DFL) == SIG_ERR)
            die("signal");
    }
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) == -1)
        die("sigprocmask");
}

/* SIGQUIT would leave a core file. The limit does not bind a core handler program; this does. */
static void forbid_core(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1)
        die("setrlimit");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("prctl");
}

static _Noreturn void be_a_target(int ready, int orders)
{
    restore_defaults();
    forbid_core();
    if (write_byte(ready) != 1)
        die("write");
    /* Here the signal arrives. A byte comes after it; who lives to read it was not harmed. */
    if (read_byte(orders) != 1)
        die("read");
    _exit(UNHARMED);
}

/* Returns when the child has its defaults in place, so that no signal can come too early. */
static struct target start_target(void)
{
    int ready[2], orders[2];
    make_pipe(ready);
    make_pipe(orders);
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        close_end(ready[READ_END]);
        close_end(orders[WRITE_END]);
        be_a_target(ready[WRITE_END], orders[READ_END]);
    }
    close_end(ready[WRITE_END]);
    close_end(orders[READ_END]);
    if (read_byte(ready[READ_END]) != 1)
        die("the child did not start");
    close_end(ready[READ_END]);
    return (struct target){.pid = child, .orders = orders[WRITE_END]};
}

static void send(struct target target, int number)
{
    if (kill(target.pid, number) == -1)
        die("kill");
}

static int next_change(struct target target)
{
    int status;
    while (waitpid(target.pid, &status, WUNTRACED | WCONTINUED) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static const char *describe(int status)
{
    if (WIFSIGNALED(status))
        return WCOREDUMP(status) ? "terminated (core)" : "terminated";
    if (WIFSTOPPED(status))
        return "stopped";
    if (WIFCONTINUED(status))
        return "continued";
    return WIFEXITED(status) && WEXITSTATUS(status) == UNHARMED ? "ignored" : "unknown";
}

/* SIGKILL works on a stopped process too. */
static void finish(struct target target, int status)
{
    close_end(target.orders);
    if (WIFEXITED(status) || WIFSIGNALED(status))
        return;
    send(target, SIGKILL);
    while (!WIFEXITED(status) && !WIFSIGNALED(status))
        status = next_change(target);
}

/*
 * The signal is pending before the byte is written, and pending signals are acted on before a
 * system call returns to the program: the child cannot read the byte and miss the signal.
 */
static int fate_of_target(int number)
{
    struct target target = start_target();
    if (number == SIGCONT) { /* to see something continue, stop it first */
        send(target, SIGSTOP);
        next_change(target);
    }
    send(target, number);
    /* A continued child must be seen before it gets the byte and exits. */
    int status = 0;
    if (number == SIGCONT) {
        status = next_change(target);
    } else {
        if (write_byte(target.orders) == -1 && errno != EPIPE)
            die("write");
        status = next_change(target);
    }
    finish(target, status);
    return status;
}

static void nothing(int number)
{
    (void)number;
}

static const char *try_to_catch(int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = nothing;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) == 0)
        return "allowed";
    return errno == EINVAL ? "blocked (EINVAL)" : "blocked (another error)";
}

static void report_signals(void)
{
    int fates[SIGNAL_COUNT];
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        fates[i] = fate_of_target(SIGNALS[i].number);
        printf("SIG%s (%d): %s\n", SIGNALS[i].name, SIGNALS[i].number, describe(fates[i]));
    }
    printf("{");
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        bool killed = WIFSIGNALED(fates[i]) && WTERMSIG(fates[i]) == SIGNALS[i].number;
        printf("\"%s\": \"%s\", ", SIGNALS[i].name, describe(fates[i]));
        if (SIGNALS[i].number == SIGQUIT)
            printf("\"quit_killed_by\": \"%s\", ", killed ? "SIGQUIT" : "something else");
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    /* Writing to a child that the signal has ended must fail, not end us. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
    /* Inherited as ignored, SIGCHLD would make children vanish before waitpid() sees them. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        die("signal");
    report_signals();
    printf("\"catch_term\": \"%s\", ", try_to_catch(SIGTERM));
    printf("\"catch_kill\": \"%s\", ", try_to_catch(SIGKILL));
    printf("\"catch_stop\": \"%s\", ", try_to_catch(SIGSTOP));
    printf("\"number_usr1\": %d, \"number_usr2\": %d, \"number_chld\": %d, ", SIGUSR1, SIGUSR2,
           SIGCHLD);
    printf("\"number_cont\": %d, \"number_stop\": %d}\n", SIGCONT, SIGSTOP);
    return 0;
}
