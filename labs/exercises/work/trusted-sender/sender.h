/*
 * sender.h - starts the program under test, and sends it signals from processes of its own.
 *
 * Each signal that means something is answered with a line, so the next one is sent when the one
 * before has been dealt with.
 *
 * Man pages: kill(2), fork(2), rt_sigqueueinfo(2).
 */
#ifndef SENDER_H
#define SENDER_H

#include "child.h"

static inline void show(const char *name, const char *text)
{
    static bool begun;
    printf(begun ? ", " : "{");
    begun = true;
    print_text(name, text);
    fflush(stdout); /* nothing buffered that fork() could print twice */
}

/* Trusts `user`; it answers "ready". */
static inline struct child start_receiver(uid_t user, void (*prepare)(void), char word[LONGEST])
{
    char program[] = "./service", number[16];
    char *argv[] = {program, number, NULL};
    snprintf(number, sizeof number, "%u", (unsigned)user);
    struct child receiver = start_prepared(argv, prepare);
    if (!line_from(&receiver.out, word))
        snprintf(word, LONGEST, "nothing");
    return receiver;
}

static inline void hear(struct child *receiver, char word[LONGEST])
{
    if (receiver->out.silent || !line_from(&receiver->out, word))
        snprintf(word, LONGEST, "nothing");
}

static inline void hear_and_show(struct child *receiver, const char *name)
{
    char word[LONGEST];
    hear(receiver, word);
    show(name, word);
}

/* By ourselves, its parent. It is there, if only as a zombie, until it is waited for. */
static inline void send_as_parent(const struct child *receiver, int number)
{
    if (kill(receiver->pid, number) == -1)
        die("kill");
}

static inline int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static inline void show_end(const char *name, int status)
{
    char text[LONGEST];
    if (WIFEXITED(status))
        snprintf(text, sizeof text, "status %d", WEXITSTATUS(status));
    else
        snprintf(text, sizeof text, "killed by a signal");
    show(name, text);
}

#endif
