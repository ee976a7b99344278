/*
 * What the attacks of this topic share: how an attempt ended, in words, and ends of children.
 *
 * Man pages: errno(3), fork(2), waitpid(2).
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static inline _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

/* 0 is success, everything else an errno. */
static inline const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EAGAIN: return "blocked (EAGAIN)";
    case EBADF: return "blocked (EBADF)";
    case EINVAL: return "blocked (EINVAL)";
    case EIO: return "blocked (EIO)";
    case ELOOP: return "blocked (ELOOP)";
    case EMFILE: return "blocked (EMFILE)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "unavailable (ENOSYS)";
    case EOPNOTSUPP: return "unavailable (EOPNOTSUPP)";
    case EPERM: return "blocked (EPERM)";
    case EROFS: return "blocked (EROFS)";
    case ESRCH: return "blocked (ESRCH)";
    case ETOOMANYREFS: return "blocked (ETOOMANYREFS)";
    case ETXTBSY: return "blocked (ETXTBSY)";
    case EXDEV: return "blocked (EXDEV)";
    default: return "blocked (another errno)";
    }
}

static inline const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static inline int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

/* Forks; a failure ends the program. */
static inline pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

/* One byte, whatever it is; false at the end of the stream. */
static inline bool hear(int fd)
{
    char byte;
    ssize_t got;
    do
        got = read(fd, &byte, 1);
    while (got == -1 && errno == EINTR);
    return got == 1;
}

static inline void tell(int fd)
{
    if (write(fd, "!", 1) != 1)
        die("write");
}

#endif
