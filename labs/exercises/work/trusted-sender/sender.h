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

#include "../support/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 4096 };

/* Trusts `user`; it answers "ready". */
static inline struct child start_receiver(uid_t user, void (*prepare)(void), char word[LINE_ROOM])
{
    char program[] = "./service", number[16];
    char *argv[] = {program, number, NULL};
    snprintf(number, sizeof number, "%u", (unsigned)user);
    struct child receiver = start_child(argv, prepare, ROOM);
    if (!hear_line(&receiver.out, word))
        snprintf(word, LINE_ROOM, "nothing");
    return receiver;
}

static inline void hear(struct child *receiver, char word[LINE_ROOM])
{
    if (receiver->out.silent || !hear_line(&receiver->out, word))
        snprintf(word, LINE_ROOM, "nothing");
}

static inline void hear_and_show(struct child *receiver, const char *name)
{
    char word[LINE_ROOM];
    hear(receiver, word);
    show_text(name, word);
}

/* By ourselves, its parent. It is there, if only as a zombie, until it is waited for. */
static inline void send_as_parent(const struct child *receiver, int number)
{
    if (kill(receiver->pid, number) == -1)
        die("kill");
}

/* If it says that it obeyed, it ends by itself. */
static inline void end_receiver(struct child *receiver, const char *word)
{
    if (strcmp(word, "end obeyed") == 0)
        await_end(receiver);
    end_child(receiver);
}

#endif
