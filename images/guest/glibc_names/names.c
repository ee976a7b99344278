/*
 * Functions that manual pages promise and glibc has, and musl has not: close_range(2), closefrom(3), execveat(2),
 * pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), sigabbrev_np(3), sigdescr_np(3). Each is compiled into an
 * object of its own (PART_...), which comes behind the C library's in its archive: a program that defines one of
 * these names itself keeps its own.
 *
 * Before Linux 5.9 there is no close_range(2); closefrom(3) then closes one number after the other.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef PART_close_range
int close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}
#endif

#ifdef PART_closefrom
void closefrom(int first)
{
    int before = errno;
    if (first < 0)
        first = 0;
    if (syscall(SYS_close_range, first, ~0U, 0) == -1)
        for (long fd = sysconf(_SC_OPEN_MAX) - 1; fd >= first; fd--)
            (void)close((int)fd); /* EBADF: there is none of this number */
    errno = before;
}
#endif

#ifdef PART_execveat
int execveat(int folder, const char *path, char *const argv[], char *const envp[], int flags)
{
    return (int)syscall(SYS_execveat, folder, path, argv, envp, flags);
}
#endif

#ifdef PART_pidfd_open
int pidfd_open(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}
#endif

#ifdef PART_pidfd_send_signal
int pidfd_send_signal(int fd, int number, siginfo_t *info, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, number, info, flags);
}
#endif

#ifdef PART_pidfd_getfd
int pidfd_getfd(int fd, int theirs, unsigned flags)
{
    return (int)syscall(SYS_pidfd_getfd, fd, theirs, flags);
}
#endif

#ifdef PART_sigabbrev_np
#define NAME(signal) [SIG##signal] = #signal

/* Numbers differ between architectures, names do not; SIGSTKFLT is not on MIPS. */
const char *sigabbrev_np(int number)
{
    static const char *const names[] = {
        NAME(HUP),    NAME(INT),  NAME(QUIT),  NAME(ILL),  NAME(TRAP), NAME(ABRT), NAME(BUS),  NAME(FPE),
        NAME(KILL),   NAME(USR1), NAME(SEGV),  NAME(USR2), NAME(PIPE), NAME(ALRM), NAME(TERM), NAME(CHLD),
        NAME(CONT),   NAME(STOP), NAME(TSTP),  NAME(TTIN), NAME(TTOU), NAME(URG),  NAME(XCPU), NAME(XFSZ),
        NAME(VTALRM), NAME(PROF), NAME(WINCH), NAME(POLL), NAME(PWR),  NAME(SYS),
#ifdef SIGSTKFLT
        NAME(STKFLT),
#endif
    };
    return number > 0 && (size_t)number < sizeof names / sizeof names[0] ? names[number] : NULL;
}
#endif

#ifdef PART_sigdescr_np
const char *sigdescr_np(int number)
{
    return sigabbrev_np(number) == NULL ? NULL : strsignal(number);
}
#endif
