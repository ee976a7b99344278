/*
 * clerk.h - a client of the service: asks at its FIFO, and listens at a FIFO of its own.
 *
 * Man pages: fifo(7), mkfifo(3), open(2), stat(2).
 */
#ifndef CLERK_H
#define CLERK_H

#include "child.h"

#include <sys/stat.h>

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

static inline void mode_of(const char *path, char text[LONGEST])
{
    struct stat about;
    if (lstat(path, &about) == -1)
        snprintf(text, LONGEST, "nothing there");
    else
        snprintf(text, LONGEST, "%04o", (unsigned)about.st_mode & 07777);
}

/* "ready", or how it declined; in the first case it runs. */
static inline struct child open_desk(char *path, void (*prepare)(void), char word[LONGEST])
{
    char program[] = "./service";
    char *argv[] = {program, path, NULL};
    struct child service = start_prepared(argv, prepare);
    if (line_from(&service.out, word))
        return service;
    bool silent = service.out.silent;
    int status = silent ? end(&service) : reap(&service);
    service.pid = -1;
    if (silent)
        snprintf(word, LONGEST, "silent");
    else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        snprintf(word, LONGEST, "refused");
    else if (WIFEXITED(status))
        snprintf(word, LONGEST, "ended as if all were well");
    else
        snprintf(word, LONGEST, "killed by signal %d", WTERMSIG(status));
    return service;
}

static inline void close_desk(struct child *service)
{
    if (service->pid != -1)
        end(service);
}

/* A client opens the desk, says `request`, as it is, and goes away. False if it cannot. */
static inline bool say(const char *path, const char *request)
{
    size_t length = strlen(request);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t n = write(fd, request, length);
    close_fd(fd);
    return n == (ssize_t)length;
}

/* What is heard after `request`; "nothing" if the service is not there or says nothing. */
static inline void ask(const char *path, const char *request, struct source *answers,
                       char answer[LONGEST])
{
    if (answers->silent || !say(path, request) || !line_from(answers, answer))
        snprintf(answer, LONGEST, "nothing");
}

#endif
