/*
 * client.h - a client of the service, as the user who is to ask.
 *
 * Man pages: unix(7), connect(2), send(2), seteuid(2).
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "child.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char DESK[] = "desk.sock";

static inline void show(const char *name, const char *text)
{
    static bool begun;
    printf(begun ? ", " : "{");
    begun = true;
    print_text(name, text);
    fflush(stdout); /* nothing buffered that fork() could print twice */
}

/* "ready", or what else; it runs in any case until it is ended. */
static inline struct child open_desk(void (*prepare)(void), char word[LONGEST])
{
    char program[] = "./service";
    char *argv[] = {program, DESK, NULL};
    struct child service = start_prepared(argv, prepare);
    if (!line_from(&service.out, word))
        snprintf(word, LONGEST, "nothing");
    return service;
}

static inline void close_desk(struct child *service)
{
    end(service);
    if (unlink(DESK) == -1 && errno != ENOENT)
        die(DESK);
}

/* The descriptor is -1 if there is nobody to connect to. */
static inline struct source call_desk(void)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    struct source line = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    strcpy(there.sun_path, DESK);
    if (line.fd == -1)
        die("socket");
    if (connect(line.fd, (struct sockaddr *)&there, sizeof there) == -1) {
        close_fd(line.fd);
        line.fd = -1;
    }
    return line;
}

static inline void hang_up(struct source *line)
{
    if (line->fd != -1)
        close_fd(line->fd);
    line->fd = -1;
}

/* False if the service has gone, or has dropped us. */
static inline bool say(const struct source *line, const char *text)
{
    size_t length = strlen(text);
    return line->fd != -1 && send(line->fd, text, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static inline void hear(struct source *line, char answer[LONGEST])
{
    if (line->fd == -1 || line->silent || !line_from(line, answer))
        snprintf(answer, LONGEST, "nothing");
}

static inline void ask(struct source *line, const char *request, char answer[LONGEST])
{
    if (say(line, request))
        hear(line, answer);
    else
        snprintf(answer, LONGEST, "nothing");
}

static inline void ask_and_show(struct source *line, const char *name, const char *request)
{
    char answer[LONGEST];
    ask(line, request, answer);
    show(name, answer);
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
