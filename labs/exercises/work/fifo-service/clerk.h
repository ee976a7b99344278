/*
 * clerk.h - a client of the service: asks at its FIFO, and listens at a FIFO of its own.
 *
 * Man pages: fifo(7), mkfifo(3), open(2), stat(2).
 */
#ifndef CLERK_H
#define CLERK_H

#include "../support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DESK_ROOM = 4096 };

/* O_RDWR (fifo(7), Linux only) keeps a reader and a writer there: no end of file in between. */
static inline int open_both_ways(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        die(path);
    return fd;
}

static inline int make_fifo(const char *path, mode_t mode)
{
    if (mkfifo(path, 0600) == -1 || chmod(path, mode) == -1)
        die(path);
    return open_both_ways(path);
}

static inline void mode_of(const char *path, char text[LINE_ROOM])
{
    struct stat about;
    if (lstat(path, &about) == -1)
        snprintf(text, LINE_ROOM, "nothing there");
    else
        snprintf(text, LINE_ROOM, "%04o", (unsigned)about.st_mode & 07777);
}

/* "ready", or how it declined; in the first case it runs. */
static inline struct child open_desk(char *path, void (*prepare)(void), char word[LINE_ROOM])
{
    char program[] = "./service";
    char *argv[] = {program, path, NULL};
    struct child service = start_child(argv, prepare, DESK_ROOM);
    if (hear_line(&service.out, word))
        return service;
    if (!service.out.silent)
        await_end(&service);
    end_child(&service);
    if (service.out.silent || service.hung)
        snprintf(word, LINE_ROOM, "silent");
    else if (WIFEXITED(service.status) && WEXITSTATUS(service.status) != 0)
        snprintf(word, LINE_ROOM, "refused");
    else if (WIFEXITED(service.status))
        snprintf(word, LINE_ROOM, "ended as if all were well");
    else
        snprintf(word, LINE_ROOM, "%s", ending(&service));
    return service;
}

static inline void close_desk(struct child *service)
{
    if (!service->reaped)
        end_child(service);
}

/* A client opens the desk, says `request`, as it is, and goes away. False if it cannot. */
static inline bool say(const char *path, const char *request)
{
    size_t length = strlen(request);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t n = write(fd, request, length);
    close_end(&fd);
    return n == (ssize_t)length;
}

/* Where answers of the service are heard. */
static inline struct source open_mailbox(const char *path, mode_t mode)
{
    return open_source(make_fifo(path, mode), 0, DESK_ROOM);
}

/* What is heard after `request`; "nothing" if the service is not there or says nothing. */
static inline void ask(const char *path, const char *request, struct source *answers, char answer[LINE_ROOM])
{
    if (answers->silent || !say(path, request) || !hear_line(answers, answer))
        snprintf(answer, LINE_ROOM, "nothing");
}

#endif
