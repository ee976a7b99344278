/*
 * What signals tell to whom.
 *
 * Shown: the parent learns how a child ended, down to the signal, and from that the layout of its
 * memory (a crash oracle); it learns how much the child computed; a stranger learns by signal 0
 * which process numbers are in use, and by /proc which signals a stranger's process handles.
 *
 * Usage: leak parent | leak stranger
 *
 * Man pages: waitpid(2), wait4(2), getrusage(2), kill(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECRET_PAGES = 5, MOST_PAGES = 16, SECRET_DIGIT = 7, HARD_WORK = 20000000 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* Crashes are expected here; no cores of them. */
static void forbid_core(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
        die("forbidding a core dump");
}

/* A victim that checks no index: reads page `index` of a buffer of SECRET_PAGES pages. */
static _Noreturn void read_page(int index)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *room = mmap(NULL, MOST_PAGES * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || mprotect(room, SECRET_PAGES * page, PROT_READ | PROT_WRITE) == -1)
        die("making the buffer");
    (void)*(volatile char *)(room + (size_t)index * page);
    _exit(0);
}

/* A victim that works longer the closer the guess is: here, only if it is right. */
static _Noreturn void check_digit(int guess)
{
    volatile unsigned long sum = 0;
    if (guess == SECRET_DIGIT)
        for (unsigned long i = 0; i < HARD_WORK; i++)
            sum = sum + i;
    _exit(0); /* the answer is the same for all */
}

static int run(void (*victim)(int), int argument, struct rusage *used)
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        forbid_core();
        victim(argument);
    }
    while (wait4(pid, &status, 0, used) == -1)
        if (errno != EINTR)
            die("wait4");
    return status;
}

/* The first index at which the victim crashes is the size of its buffer. */
static int learn_size(void)
{
    struct rusage used;
    for (int index = 0; index < MOST_PAGES; index++) {
        int status = run(read_page, index, &used);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
            return index;
    }
    return -1;
}

static long long microseconds(struct timeval time)
{
    return time.tv_sec * 1000000LL + time.tv_usec;
}

/* CPU time, not wall time: it does not depend on what else the machine does. */
static int learn_digit(void)
{
    long long most = -1;
    int digit = -1;
    for (int guess = 0; guess < 10; guess++) {
        struct rusage used;
        run(check_digit, guess, &used);
        long long cost = microseconds(used.ru_utime) + microseconds(used.ru_stime);
        if (cost > most) {
            most = cost;
            digit = guess;
        }
    }
    return digit;
}

static const char *ask_existence(pid_t pid)
{
    if (kill(pid, 0) == 0)
        return "exists, mine";
    if (errno == EPERM)
        return "exists, not mine";
    return errno == ESRCH ? "does not exist" : "unknown";
}

/* Linux gives out no higher numbers on any architecture: proc(5), pid_max. */
enum { BEYOND_PID_MAX = 4194304 + 1 };

static const char *handled_signals_of(const char *pid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    FILE *file = fopen(path, "re");
    bool told = false;
    if (file == NULL)
        return errno == ENOENT ? "hidden" : "blocked";
    while (!told && fgets(line, sizeof line, file) != NULL)
        told = strncmp(line, "SigCgt:", 7) == 0;
    fclose(file);
    return told ? "readable" : "not told";
}

static void show_parent(void)
{
    int size = learn_size();
    int digit = learn_digit();
    printf("the buffer has %d pages, the digit is %d: nobody said so\n", size, digit);
    printf("{\"size_learned\": %d, \"digit_learned\": %d}\n", size, digit);
}

static void show_stranger(void)
{
    printf("{\"process_1\": \"%s\", \"no_process\": \"%s\", \"myself\": \"%s\", ",
           ask_existence(1), ask_existence(BEYOND_PID_MAX), ask_existence(getpid()));
    printf("\"handlers_of_process_1\": \"%s\"}\n", handled_signals_of("1"));
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "parent") == 0) {
        show_parent();
    } else if (argc == 2 && strcmp(argv[1], "stranger") == 0) {
        show_stranger();
    } else {
        fprintf(stderr, "usage: leak parent|stranger\n");
        return 1;
    }
    return 0;
}
