/*
 * client.h - a client of the service, as the user who is to ask.
 *
 * Man pages: unix(7), connect(2), send(2), seteuid(2).
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "../support/child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DESK_ROOM = 4096 };

static char DESK[] = "desk.sock";

/* "ready", or what else; it runs in any case until it is ended. */
static inline struct child open_desk(void (*prepare)(void), char word[LINE_ROOM])
{
    char program[] = "./service";
    char *argv[] = {program, DESK, NULL};
    struct child service = start_child(argv, prepare, DESK_ROOM);
    if (!hear_line(&service.out, word))
        snprintf(word, LINE_ROOM, "nothing");
    return service;
}

static inline void close_desk(struct child *service)
{
    end_child(service);
    if (unlink(DESK) == -1 && errno != ENOENT)
        die(DESK);
}

/* The descriptor is -1 if there is nobody to connect to. */
static inline struct source call_desk(const struct child *service)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(there.sun_path, DESK);
    if (fd == -1)
        die("socket");
    if (connect(fd, (struct sockaddr *)&there, sizeof there) == -1)
        close_end(&fd);
    return open_source(fd, service->pid, DESK_ROOM);
}

/* False if the service has gone, or has dropped us. */
static inline bool say(const struct source *line, const char *text)
{
    size_t length = strlen(text);
    return line->fd != -1 && send(line->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static inline void hear(struct source *line, char answer[LINE_ROOM])
{
    if (line->fd == -1 || line->silent || !hear_line(line, answer))
        snprintf(answer, LINE_ROOM, "nothing");
}

static inline void ask(struct source *line, const char *request, char answer[LINE_ROOM])
{
    if (say(line, request))
        hear(line, answer);
    else
        snprintf(answer, LINE_ROOM, "nothing");
}

static inline void ask_and_show(struct source *line, const char *name, const char *request)
{
    char answer[LINE_ROOM];
    ask(line, request, answer);
    show_text(name, answer);
}

#endif
