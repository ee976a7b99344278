/*
 * The self-pipe: a handler writes a byte to a pipe, and the main loop polls its other end together
 * with everything else that it waits for.
 *
 * Shown: a signal that comes before poll() is not missed; errno survives; the pipe must not block,
 * or a handler hangs when it is full (and when it is full, no byte more is needed); signalfd does
 * the same without a handler.
 *
 * Man pages: select(2) "The self-pipe trick", pipe(7), signal-safety(7), signalfd(2).
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
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, SHORT = 1, LONG = 60 };

static int self[2];

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* EAGAIN is no failure: the pipe is full, so that the main loop will wake up anyway. */
static void handle(int number)
{
    int saved = errno;
    (void)number;
    (void)!write(self[WRITE_END], "s", 1);
    errno = saved;
}

static void install(int pipe_flags)
{
    struct sigaction action;
    if (pipe2(self, O_CLOEXEC | pipe_flags) == -1)
        die("pipe2");
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
}

static bool readable(int fd, int milliseconds)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLIN, .revents = 0};
    int ready;
    do
        ready = poll(&wait_for, 1, milliseconds);
    while (ready == -1 && errno == EINTR);
    if (ready == -1)
        die("poll");
    return ready == 1;
}

/* Reads everything, for there may have been several; false if there was nothing. */
static bool drain(void)
{
    char bytes[512];
    bool something = false;
    while (read(self[READ_END], bytes, sizeof bytes) > 0)
        something = true;
    return something;
}

static bool fill(void)
{
    static const char block[4096];
    while (write(self[WRITE_END], block, sizeof block) > 0)
        continue;
    while (write(self[WRITE_END], block, 1) > 0)
        continue;
    return errno == EAGAIN;
}

/* The signal comes between deciding to wait and waiting, which pause() would miss. */
static int before_poll(void)
{
    install(O_NONBLOCK);
    raise(SIGUSR1);
    return readable(self[READ_END], -1) && drain() && !readable(self[READ_END], 0) ? 0 : 1;
}

static int keeps_errno(void)
{
    install(O_NONBLOCK);
    fill(); /* so that the handler's write fails and sets errno */
    errno = ENOENT;
    raise(SIGUSR1);
    return errno == ENOENT ? 0 : 1;
}

static int full_pipe(void)
{
    install(O_NONBLOCK);
    bool full = fill();
    raise(SIGUSR1);
    return full && readable(self[READ_END], 0) ? 0 : 1;
}

/* The flaw: without O_NONBLOCK the handler waits for a reader that it has interrupted. */
static int full_blocking_pipe(void)
{
    install(O_NONBLOCK);
    bool full = fill();
    int flags = fcntl(self[WRITE_END], F_GETFL);
    if (!full || flags == -1 || fcntl(self[WRITE_END], F_SETFL, flags & ~O_NONBLOCK) == -1)
        die("fcntl");
    alarm(SHORT);
    raise(SIGUSR1);
    return 0;
}

static int by_signalfd(void)
{
    struct signalfd_siginfo info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd == -1)
        die("signalfd");
    raise(SIGUSR1);
    bool woken = readable(fd, -1) && read(fd, &info, sizeof info) == sizeof info;
    return woken && info.ssi_signo == SIGUSR1 && !readable(fd, 0) ? 0 : 1;
}

static const char *fate_of(int (*trial)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        alarm(LONG);
        _exit(trial());
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return "hung";
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "works" : "fails";
}

int main(void)
{
    const char *early = fate_of(before_poll);
    const char *number = fate_of(keeps_errno);
    const char *full = fate_of(full_pipe);
    const char *blocking = fate_of(full_blocking_pipe);
    const char *descriptor = fate_of(by_signalfd);
    printf("signal before poll: %s; full pipe: %s, if it blocks: %s\n", early, full, blocking);
    printf("{\"signal_before_poll\": \"%s\", \"errno_kept\": \"%s\", ", early, number);
    printf("\"full_pipe\": \"%s\", \"full_blocking_pipe\": \"%s\", ", full, blocking);
    printf("\"by_signalfd\": \"%s\"}\n", descriptor);
    return 0;
}
