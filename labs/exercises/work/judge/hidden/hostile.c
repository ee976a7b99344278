/*
 * Programs that a judge should survive. Each is one attempt; see main for their names.
 *
 * They aim at the judge that runs them, at the process group they are in, and at what they are given.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, HIGHEST = 64, SPIN_SECONDS = 5 };

extern char **environ;

static _Noreturn void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* As much memory as there is, each page of it used. */
static void hog(void)
{
    for (;;) {
        char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED)
            return;
        memset(more, 1, MIB);
    }
}

/* Nobody waits for the child but the judge: getrusage(2) counts the peak of those waited for as the parent's. */
static void hog_in_child(void)
{
    volatile char *done = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (done == MAP_FAILED)
        return;
    pid_t child = fork();
    if (child <= 0)
        hog();
    if (child == 0) {
        *done = 1;
        wait_for_ever();
    }
    while (child > 0 && !*done)
        sched_yield();
    puts("hello");
}

static void flood(int fd, size_t bytes)
{
    static char letters[4096];
    memset(letters, 'x', sizeof letters);
    while (bytes > 0) {
        size_t length = bytes < sizeof letters ? bytes : sizeof letters;
        if (write(fd, letters, length) != (ssize_t)length)
            return;
        bytes -= length;
    }
}

/* Every process forks until it cannot, then waits. Each says that it is there. */
static _Noreturn void bomb(void)
{
    for (;;) {
        pid_t child = fork();
        if (child == -1)
            wait_for_ever();
        if (child == 0 && write(STDOUT_FILENO, "+", 1) != 1)
            wait_for_ever();
    }
}

/* Spins for as long as a limit on processor time that it ignores may be, but not until the tester's own. */
static _Noreturn void ignore_and_spin(void)
{
    sigset_t all;
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (clock() < SPIN_SECONDS * CLOCKS_PER_SEC)
        ;
    wait_for_ever();
}

/* Somebody stays who holds our standard output. */
static void leave_behind(void)
{
    if (fork() == 0)
        wait_for_ever();
    puts("hello");
}

/* Who stays is in a session of its own by the time we end: credentials(7). */
static void leave_daemon(void)
{
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0)
            wait_for_ever();
        _exit(0);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
    puts("hello");
}

/* Everything that a seccomp filter must refuse; the judge is our parent. */
static void try_all(void)
{
    struct rlimit none = {0, 0};
    int file = open("input.txt", O_RDONLY);
    printf("open %s\n", file == -1 && errno == EPERM ? "refused" : "not refused");
    int connection = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("socket %s\n", connection == -1 && errno == EPERM ? "refused" : "not refused");
    long traced = ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
    printf("ptrace %s\n", traced == -1 && errno == EPERM ? "refused" : "not refused");
    int lowered = prlimit(getppid(), RLIMIT_NOFILE, &none, NULL);
    printf("prlimit %s\n", lowered == -1 && errno == EPERM ? "refused" : "not refused");
    int left = setpgid(0, getppid());
    printf("setpgid %s\n", left == -1 && errno == EPERM ? "refused" : "not refused");
}

static void signal_parent(void)
{
    int sent = kill(getppid(), SIGKILL);
    printf("%s\n", sent == -1 && errno == EPERM ? "refused" : "not refused");
}

static void show_descriptors(void)
{
    for (int fd = 0; fd < HIGHEST; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            printf("%d ", fd);
    puts("");
}

static void show_environment(void)
{
    int count = 0;
    while (environ[count] != NULL)
        count++;
    printf("%d\n", count);
}

static void read_all(void)
{
    char buffer[4096];
    unsigned long total = 0;
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) > 0)
        total += (unsigned long)got;
    printf("%lu\n", total);
}

int main(int argc, char *argv[])
{
    const char *what = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IONBF, 0); /* nothing in a buffer that a child could print again */
#define IS(name) (strcmp(what, name) == 0)
    if (IS("hello") || IS("errors"))
        flood(IS("errors") ? STDERR_FILENO : -1, MIB), puts("hello");
    else if (IS("abort"))
        abort();
    else if (IS("hang-up") || IS("terminate"))
        raise(IS("hang-up") ? SIGHUP : SIGTERM), puts("hello");
    else if (IS("suicide"))
        raise(SIGKILL);
    else if (IS("stop"))
        raise(SIGSTOP), puts("hello");
    else if (IS("sleep"))
        wait_for_ever();
    else if (IS("stubborn"))
        ignore_and_spin();
    else if (IS("silent"))
        close(STDOUT_FILENO), wait_for_ever();
    else if (IS("hog"))
        hog(), puts("hello");
    else if (IS("hog-in-child"))
        hog_in_child();
    else if (IS("exactly") || IS("one-more"))
        flood(STDOUT_FILENO, IS("exactly") ? 20 : 21);
    else if (IS("bomb"))
        bomb();
    else if (IS("leave-behind"))
        leave_behind();
    else if (IS("daemon"))
        leave_daemon();
    else if (IS("try"))
        try_all();
    else if (IS("parent"))
        signal_parent();
    else if (IS("descriptors"))
        show_descriptors();
    else if (IS("environment"))
        show_environment();
    else if (IS("read"))
        read_all();
    else
        return 2;
    return 0;
}
