/*
 * Process 1 is deaf to signals that it has no handler for: also to SIGTERM, by which a container is asked to
 * end. Whoever asks then waits, and kills in the end.
 *
 * Each trial is a child that answers a byte with a byte, once as process 1 of a PID namespace of its own and once
 * as an ordinary process. A signal that counts is acted on before the child reads again: so an answer
 * means that it was ignored.
 *
 * Man pages: pid_namespaces(7), kill(2), signal(7), user_namespaces(7).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "../attack.h"

enum from { OUTSIDE, INSIDE };

struct trial {
    bool process_1; /* or an ordinary process */
    bool handler;   /* for SIGTERM */
    int signal;
    enum from from;
};

static void leave(int number)
{
    (void)number;
    _exit(0);
}

static _Noreturn void be_target(const struct trial *trial, int ask, int answer)
{
    if (trial->handler && signal(SIGTERM, leave) == SIG_ERR)
        die("signal");
    tell(answer);
    while (hear(ask)) {
        /* One who is inside is a child of process 1 here, for it must be in the same namespace. */
        if (trial->from == INSIDE) {
            pid_t child = start_child();
            if (child == 0)
                _exit(kill(getppid(), trial->signal) == -1);
            wait_for(child);
        }
        tell(answer);
    }
    _exit(0);
}

/* "ignored", "ended" if it ended by itself, "killed" if by the signal. */
static const char *fate(const struct trial *trial, pid_t target, int ask, int answer)
{
    if (!hear(answer))
        die("the target");
    if (trial->from == OUTSIDE && kill(target, trial->signal) == -1)
        die("kill");
    (void)!write(ask, "?", 1); /* SIGPIPE is ignored: it may be gone */
    bool answered = hear(answer);
    close(ask);
    int status = wait_for(target);
    if (answered)
        return "ignored";
    return WIFSIGNALED(status) ? "killed" : "ended";
}

/* The maker is not in the new PID namespace; its first child is, as process 1. */
static const char *try(const struct trial *trial)
{
    static char said[16];
    int result[2], ask[2], answer[2];
    if (pipe2(result, O_CLOEXEC) == -1 || pipe2(ask, O_CLOEXEC) == -1 || pipe2(answer, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t maker = start_child();
    if (maker == 0) {
        if (trial->process_1 && unshare(CLONE_NEWUSER | CLONE_NEWPID) == -1)
            die("unshare");
        pid_t target = start_child();
        if (target == 0) {
            close(ask[1]);
            close(answer[0]);
            be_target(trial, ask[0], answer[1]);
        }
        close(ask[0]);
        close(answer[1]);
        const char *words = fate(trial, target, ask[1], answer[0]);
        if (write(result[1], words, strlen(words)) != (ssize_t)strlen(words))
            die("write");
        _exit(0);
    }
    close(result[1]);
    close(ask[0]);
    close(ask[1]);
    close(answer[0]);
    close(answer[1]);
    ssize_t got = read(result[0], said, sizeof said - 1);
    if (got <= 0)
        die("a trial");
    said[got] = '\0';
    close(result[0]);
    wait_for(maker);
    return said;
}

/* Each with its text, for try() has one place for it. Written out before the next fork(2). */
static void show(const char *name, struct trial trial)
{
    printf("\"%s\": \"%s\", ", name, try(&trial));
    fflush(stdout);
}

/* 0, or why there are no namespaces for us. */
static int namespaces(void)
{
    pid_t child = start_child();
    if (child == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWPID) == -1 ? errno : 0);
    return WEXITSTATUS(wait_for(child));
}

int main(void)
{
    int error = namespaces();
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("SIGPIPE");
    printf("{");
    fflush(stdout);
    show("ordinary", (struct trial){.signal = SIGTERM});
    if (error == 0) {
        show("deaf_to_term", (struct trial){.process_1 = true, .signal = SIGTERM});
        show("with_handler", (struct trial){.process_1 = true, .handler = true, .signal = SIGTERM});
        show("kill_from_inside", (struct trial){.process_1 = true, .signal = SIGKILL, .from = INSIDE});
        show("kill_from_outside", (struct trial){.process_1 = true, .signal = SIGKILL});
    }
    printf("\"namespaces\": \"%s\"}\n", verdict(error));
    return 0;
}
