/*
 * Who sent this signal? What the receiver may believe, and what not.
 *
 * Shown: kill() tells the truth about the sender, for the kernel fills it in; sigqueue() tells what
 * the sender's library filled in, and a sender that makes the system call itself may lie about its
 * number, but cannot pretend to be kill() or the kernel. A receiver that obeys its parent only.
 *
 * Man pages: sigaction(2) "siginfo_t", rt_sigqueueinfo(2), sigqueue(3), sigwaitinfo(2), kill(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(long result)
{
    if (result == 0)
        return "allowed";
    switch (errno) {
    case EINVAL: return "blocked (EINVAL)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another errno)";
    }
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static sigset_t only(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

static siginfo_t take(int number)
{
    siginfo_t info;
    sigset_t set = only(number);
    int got;
    do
        got = sigwaitinfo(&set, &info);
    while (got == -1 && errno == EINTR);
    if (got == -1)
        die("sigwaitinfo");
    return info;
}

/* `deed` runs in a child, whose number is returned; it has ended then. */
static pid_t in_a_child(void (*deed)(void))
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        deed();
        _exit(0);
    }
    int status = wait_for(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        _exit(1); /* it said why on stderr */
    return pid;
}

static void send_by_kill(void)
{
    if (kill(getppid(), SIGUSR1) == -1)
        die("kill");
}

static void send_by_sigqueue(void)
{
    union sigval value = {.sival_int = 7};
    if (sigqueue(getppid(), SIGUSR1, value) == -1)
        die("sigqueue");
}

/* The system call beneath sigqueue(): the caller fills everything in, as it likes. */
static const char *forge(pid_t target, int code, pid_t sender)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = SIGUSR1;
    info.si_code = code;
    info.si_pid = sender;
    info.si_uid = 0;
    return verdict(syscall(SYS_rt_sigqueueinfo, target, SIGUSR1, &info));
}

/* "Process 1 queued this, as root." */
static void lie_about_sender(void)
{
    if (strcmp(forge(getppid(), SI_QUEUE, 1), "allowed") != 0)
        die("rt_sigqueueinfo");
}

static const char *code_name(int code)
{
    switch (code) {
    case SI_USER: return "SI_USER";
    case SI_QUEUE: return "SI_QUEUE";
    default: return "another code";
    }
}

/* At a child that has SIGUSR1 blocked, as we have: nothing happens if one of them arrives. */
static void show_forgeries(void)
{
    pid_t target = fork();
    if (target == -1)
        die("fork");
    if (target == 0)
        for (;;)
            pause();
    printf("\"forge_kill\": \"%s\", ", forge(target, SI_USER, 1));
    printf("\"forge_kernel\": \"%s\", ", forge(target, SI_KERNEL, 0));
    printf("\"forge_tkill\": \"%s\", ", forge(target, SI_TKILL, 1));
    if (kill(target, SIGKILL) == -1)
        die("kill");
    wait_for(target);
}

/*
 * Obeys SIGUSR1 only if the kernel says that its parent sent it. The comparison with getppid()
 * is safe as long as the parent lives: its number cannot be given to anybody else.
 */
static _Noreturn void obey_parent_only(int answers)
{
    for (;;) {
        siginfo_t info = take(SIGUSR1);
        bool obeyed = info.si_code == SI_USER && info.si_pid == getppid();
        if (write(answers, obeyed ? "y" : "n", 1) != 1)
            die("write");
    }
}

static char answer(int fd)
{
    char letter;
    if (read(fd, &letter, 1) != 1)
        die("the receiver is silent");
    return letter;
}

enum how { BY_KILL, BY_LIE };

/* The sibling knows who the receiver's parent is and claims to be that. */
static void sibling_sends(pid_t receiver, enum how how)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        if (how == BY_KILL)
            _exit(kill(receiver, SIGUSR1) == 0 ? 0 : 1);
        _exit(strcmp(forge(receiver, SI_QUEUE, parent), "allowed") == 0 ? 0 : 1);
    }
    wait_for(pid);
}

static const char *word(char letter)
{
    return letter == 'y' ? "obeyed" : "refused";
}

static void show_receiver(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t receiver = fork();
    if (receiver == -1)
        die("fork");
    if (receiver == 0) {
        close(ends[0]);
        obey_parent_only(ends[1]);
    }
    close(ends[1]);
    sibling_sends(receiver, BY_KILL);
    printf("\"sibling\": \"%s\", ", word(answer(ends[0])));
    sibling_sends(receiver, BY_LIE);
    printf("\"sibling_lies\": \"%s\", ", word(answer(ends[0])));
    if (kill(receiver, SIGUSR1) == -1)
        die("kill");
    printf("\"parent\": \"%s\"}\n", word(answer(ends[0])));
    if (kill(receiver, SIGKILL) == -1)
        die("kill");
    wait_for(receiver);
    close(ends[0]);
}

int main(void)
{
    sigset_t set = only(SIGUSR1);
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing buffered that fork() could print twice */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("sigprocmask");
    pid_t sender = in_a_child(send_by_kill);
    siginfo_t plain = take(SIGUSR1);
    printf("{\"kill_code\": \"%s\", \"kill_sender\": \"%s\", ", code_name(plain.si_code),
           plain.si_pid == sender && plain.si_uid == getuid() ? "true sender" : "another");
    sender = in_a_child(send_by_sigqueue);
    siginfo_t queued = take(SIGUSR1);
    printf("\"queue_code\": \"%s\", \"queue_sender\": \"%s\", \"queue_value\": %d, ",
           code_name(queued.si_code), queued.si_pid == sender ? "true sender" : "another",
           queued.si_value.sival_int);
    in_a_child(lie_about_sender);
    siginfo_t lied = take(SIGUSR1);
    printf("\"lie_code\": \"%s\", \"lie_sender\": \"%s\", \"lie_user\": \"%s\", ",
           code_name(lied.si_code), lied.si_pid == 1 ? "process 1" : "another",
           lied.si_uid == 0 ? "root" : "another");
    show_forgeries();
    show_receiver();
    return 0;
}
