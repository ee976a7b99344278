/*
 * The number of a process is given away again. Who keeps a number and signals it later may hit a stranger;
 * who keeps a descriptor of the process cannot: pidfd_open(2).
 *
 * So that it need not wait until 32768 processes have come and gone, the program is root of a PID namespace of
 * its own, where clone3(2) lets it choose the number (set_tid): it gives the dead one's to another.
 *
 *   main -- init (process 1 inside) -- friend, ended; then a stranger with the same number
 *
 * Man pages: pidfd_open(2), pidfd_send_signal(2), clone(2) (clone3, set_tid), pid_namespaces(7), kill(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "../attack.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same on all architectures but alpha */
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

/* What was seen: each 0 or an errno. */
struct seen {
    int alive_by_descriptor, dead_by_number, dead_by_descriptor, reuse, stranger_by_number;
    int stranger_by_descriptor;
    int number_is_the_same, stranger_was_hit;
};

static int signal_number(pid_t pid)
{
    return kill(pid, SIGTERM) == -1 ? errno : 0;
}

static int signal_descriptor(int process, int signal)
{
    return syscall(SYS_pidfd_send_signal, process, signal, NULL, 0) == -1 ? errno : 0;
}

static _Noreturn void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* As fork(2), with a number of one's choice. -1 and errno if that fails. */
static pid_t fork_as(pid_t number)
{
    struct clone_args how = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};
    return (pid_t)syscall(SYS_clone3, &how, sizeof how);
}

/* The friend's number and descriptor are kept; then it ends and is waited for. */
static pid_t befriend(int *process, struct seen *seen)
{
    pid_t friend = start_child();
    if (friend == 0)
        wait_for_ever();
    *process = (int)syscall(SYS_pidfd_open, friend, 0);
    if (*process == -1)
        die("pidfd_open");
    seen->alive_by_descriptor = signal_descriptor(*process, SIGTERM);
    wait_for(friend);
    seen->dead_by_number = signal_number(friend);
    seen->dead_by_descriptor = signal_descriptor(*process, SIGTERM);
    return friend;
}

static void meet_stranger(pid_t number, int process, struct seen *seen)
{
    pid_t stranger = fork_as(number);
    if (stranger == 0)
        wait_for_ever();
    seen->reuse = stranger == -1 ? errno : 0;
    if (stranger == -1)
        return;
    seen->number_is_the_same = stranger == number;
    seen->stranger_by_descriptor = signal_descriptor(process, SIGTERM); /* first: it must not hit */
    seen->stranger_by_number = signal_number(number);
    int status = wait_for(stranger);
    seen->stranger_was_hit = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
}

static void observe(bool alone, int report)
{
    struct seen seen = {0};
    int process;
    pid_t number = befriend(&process, &seen);
    if (alone)
        meet_stranger(number, process, &seen);
    if (write(report, &seen, sizeof seen) != (ssize_t)sizeof seen)
        die("write");
}

/* 0, or why there are no namespaces for us: then numbers cannot be chosen, and the rest is shown all the same. */
static int run(struct seen *seen)
{
    int report[2], error = 0;
    if (pipe2(report, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t maker = start_child();
    if (maker == 0) {
        error = unshare(CLONE_NEWUSER | CLONE_NEWPID) == -1 ? errno : 0;
        if (error != 0) {
            observe(false, report[1]);
            _exit(error);
        }
        pid_t init = start_child();
        if (init == 0) {
            observe(true, report[1]);
            _exit(0);
        }
        _exit(wait_for(init) == 0 ? 0 : 1);
    }
    close(report[1]);
    if (read(report[0], seen, sizeof *seen) != (ssize_t)sizeof *seen)
        die("the observer");
    close(report[0]);
    return WEXITSTATUS(wait_for(maker));
}

int main(void)
{
    struct seen seen;
    int error = run(&seen);
    printf("{\"namespaces\": \"%s\", ", verdict(error));
    printf("\"alive_by_descriptor\": \"%s\", ", verdict(seen.alive_by_descriptor));
    printf("\"dead_by_number\": \"%s\", ", verdict(seen.dead_by_number));
    printf("\"dead_by_descriptor\": \"%s\"", verdict(seen.dead_by_descriptor));
    if (error == 0) {
        printf(", \"reuse\": \"%s\", ", verdict(seen.reuse));
        printf("\"same_number\": %s, ", json_bool(seen.number_is_the_same));
        printf("\"stranger_by_number\": \"%s\", ", verdict(seen.stranger_by_number));
        printf("\"stranger_was_hit\": %s, ", json_bool(seen.stranger_was_hit));
        printf("\"stranger_by_descriptor\": \"%s\"", verdict(seen.stranger_by_descriptor));
    }
    printf("}\n");
    return 0;
}
