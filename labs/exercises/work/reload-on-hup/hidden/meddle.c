/*
 * Stands between service.c and the functions that wait (hidden.yaml compiles it with -Dpoll=meddle_poll and so
 * on). SIGHUP comes just before the first wait for something, at the one moment that a flag checked before
 * does not cover, and the line "meddled" on standard error says that it was sent.
 *
 * To the process, not to a thread: whoever takes signals in another one gets it there.
 *
 * Man pages: poll(2), select(2), epoll_wait(2), sigsuspend(2), sigwait(3), kill(2), getline(3).
 */
#undef poll
#undef ppoll
#undef select
#undef pselect
#undef epoll_wait
#undef epoll_pwait
#undef read
#undef pause
#undef sigsuspend
#undef sigwait
#undef sigwaitinfo
#undef sigtimedwait
#undef fgets
#undef getline
#undef getchar
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

int meddle_poll(struct pollfd *fds, nfds_t count, int timeout);
int meddle_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int meddle_select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout);
int meddle_pselect(int count, fd_set *in, fd_set *out, fd_set *other, const struct timespec *timeout,
                   const sigset_t *mask);
int meddle_epoll_wait(int fd, struct epoll_event *events, int most, int timeout);
int meddle_epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask);
ssize_t meddle_read(int fd, void *bytes, size_t size);
int meddle_pause(void);
int meddle_sigsuspend(const sigset_t *mask);
int meddle_sigwait(const sigset_t *set, int *number);
int meddle_sigwaitinfo(const sigset_t *set, siginfo_t *info);
int meddle_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
char *meddle_fgets(char *text, int size, FILE *stream);
ssize_t meddle_getline(char **line, size_t *size, FILE *stream);
int meddle_getchar(void);

static void meddle(void)
{
    static volatile sig_atomic_t done;
    static const char SENT[] = "meddled\n";
    if (done)
        return;
    done = 1; /* first: a handler may wait, too */
    if (write(STDERR_FILENO, SENT, strlen(SENT)) != (ssize_t)strlen(SENT) || kill(getpid(), SIGHUP) == -1)
        _exit(1);
}

int meddle_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    meddle();
    return poll(fds, count, timeout);
}

int meddle_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    meddle();
    return ppoll(fds, count, timeout, mask);
}

int meddle_select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout)
{
    meddle();
    return select(count, in, out, other, timeout);
}

int meddle_pselect(int count, fd_set *in, fd_set *out, fd_set *other, const struct timespec *timeout,
                   const sigset_t *mask)
{
    meddle();
    return pselect(count, in, out, other, timeout, mask);
}

int meddle_epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    meddle();
    return epoll_wait(fd, events, most, timeout);
}

int meddle_epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask)
{
    meddle();
    return epoll_pwait(fd, events, most, timeout, mask);
}

/* Its configuration is read by this function, too, and does not have to be waited for. */
ssize_t meddle_read(int fd, void *bytes, size_t size)
{
    if (fd == STDIN_FILENO)
        meddle();
    return read(fd, bytes, size);
}

int meddle_pause(void)
{
    meddle();
    return pause();
}

int meddle_sigsuspend(const sigset_t *mask)
{
    meddle();
    return sigsuspend(mask);
}

int meddle_sigwait(const sigset_t *set, int *number)
{
    meddle();
    return sigwait(set, number);
}

int meddle_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    meddle();
    return sigwaitinfo(set, info);
}

int meddle_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    meddle();
    return sigtimedwait(set, info, timeout);
}

char *meddle_fgets(char *text, int size, FILE *stream)
{
    if (stream == stdin)
        meddle();
    return fgets(text, size, stream);
}

ssize_t meddle_getline(char **line, size_t *size, FILE *stream)
{
    if (stream == stdin)
        meddle();
    return getline(line, size, stream);
}

int meddle_getchar(void)
{
    meddle();
    return getchar();
}
