/* Not of musl: what glibc declares here, and isolab adds to the library. */
#ifndef ISOLAB_GLIBC_NAMES_PIDFD
#define ISOLAB_GLIBC_NAMES_PIDFD
#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#ifdef __cplusplus
extern "C" {
#endif
#define PIDFD_NONBLOCK O_NONBLOCK
int pidfd_open(pid_t, unsigned);
int pidfd_send_signal(int, int, siginfo_t *, unsigned);
int pidfd_getfd(int, int, unsigned);
#ifdef __cplusplus
}
#endif
#endif
