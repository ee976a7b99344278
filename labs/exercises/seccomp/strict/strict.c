/*
 * Strict mode: the first seccomp. After it a process can read, write, return from a signal handler
 * and exit; any other system call kills it.
 *
 * Shown: write, read and a signal handler still work; getpid() is the end; so is _exit() of the C
 * library, which calls exit_group(2), and only the old exit(2) is a way out.
 *
 * Man pages: seccomp(2), PR_SET_SECCOMP(2const), _exit(2), sigreturn(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1 };

/* Where a confined child hears and speaks: what it uses must be open before it locks the door. */
struct channel {
    int to_child[2];
    int to_parent[2];
};

static volatile sig_atomic_t handled;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

/*
 * Some architectures have two calls to return from a handler: sigreturn and, for handlers that get a
 * siginfo_t, rt_sigreturn. Strict mode knows one of them, and which one differs (the kernel's
 * asm/seccomp.h): the newer on Arm and MIPS, the older on i386 and s390x; others have one only.
 */
#if defined(__arm__) || defined(__mips__)
static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    handled = 1;
}

static const struct sigaction catch = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
#else
static void on_signal(int number)
{
    (void)number;
    handled = 1;
}

static const struct sigaction catch = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
#endif

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another errno)";
    }
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static int enter(void)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == -1 ? errno : 0;
}

/* exit(2), which ends one thread; _exit(3) would call exit_group(2). */
static _Noreturn void plain_exit(int status)
{
    for (;;)
        syscall(SYS_exit, status);
}

static void use_getpid(const struct channel *channel)
{
    (void)channel;
    syscall(SYS_getpid);
}

static void use_exit_group(const struct channel *channel)
{
    (void)channel;
    syscall(SYS_exit_group, 0);
}

static void use_nothing(const struct channel *channel)
{
    (void)channel;
}

/* Speaks, hears a byte (a signal comes first), and answers whether the handler ran and returned. */
static void use_read_and_write(const struct channel *channel)
{
    char byte;
    if (write(channel->to_parent[WRITE_END], "r", 1) != 1)
        plain_exit(3);
    if (read(channel->to_child[READ_END], &byte, 1) != 1)
        plain_exit(4);
    if (write(channel->to_parent[WRITE_END], handled ? "h" : "-", 1) != 1)
        plain_exit(5);
}

static const char *ending(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 0 ? "exits by itself" : "gave up";
    return WTERMSIG(status) == SIGKILL ? "killed by SIGKILL" : "killed by another signal";
}

static pid_t confined(void (*work)(const struct channel *), const struct channel *channel)
{
    pid_t child = start_child();
    if (child != 0)
        return child;
    if (enter() != 0)
        _exit(1);
    work(channel);
    plain_exit(0);
}

static const char *fate(void (*work)(const struct channel *))
{
    return ending(wait_for(confined(work, NULL)));
}

static char hear(int fd)
{
    char byte = 0;
    ssize_t got;
    do
        got = read(fd, &byte, 1);
    while (got == -1 && errno == EINTR);
    if (got == -1)
        die("read");
    return byte;
}

/* True if the child's handler ran and returned (sigreturn(2)) before it read our byte. */
static bool handler_returns(const char **end)
{
    struct channel channel;
    if (pipe2(channel.to_child, O_CLOEXEC) == -1 || pipe2(channel.to_parent, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = confined(use_read_and_write, &channel);
    close(channel.to_child[READ_END]);
    close(channel.to_parent[WRITE_END]);
    char first = hear(channel.to_parent[READ_END]);
    if (first == 'r' && kill(child, SIGUSR1) == -1)
        die("kill");
    if (first == 'r' && write(channel.to_child[WRITE_END], "g", 1) != 1)
        die("write");
    bool ran = hear(channel.to_parent[READ_END]) == 'h';
    *end = ending(wait_for(child));
    close(channel.to_child[WRITE_END]);
    close(channel.to_parent[READ_END]);
    return ran;
}

/* Tried in a child, for there is no way back. */
static int try_to_enter(void)
{
    pid_t child = start_child();
    if (child == 0)
        plain_exit(enter());
    return WEXITSTATUS(wait_for(child));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sigaction(SIGUSR1, &catch, NULL) == -1 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("sigaction");
    int error = try_to_enter();
    if (error != 0) {
        printf("strict mode is refused here\n{\"enter\": \"%s\"}\n", verdict(error));
        return 0;
    }
    const char *worked;
    bool returned = handler_returns(&worked);
    printf("a child in strict mode that reads and writes %s\n", worked);
    printf("{\"enter\": \"allowed\", \"read_and_write\": \"%s\", \"handler_returns\": %s, ", worked,
           returned ? "true" : "false");
    printf("\"getpid\": \"%s\", \"exit_group\": \"%s\", ", fate(use_getpid), fate(use_exit_group));
    printf("\"plain_exit\": \"%s\"}\n", fate(use_nothing));
    return 0;
}
