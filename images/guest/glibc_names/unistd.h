
/* Not of musl: what glibc declares here as well, and isolab adds to the library. */
#ifndef ISOLAB_GLIBC_NAMES_UNISTD
#define ISOLAB_GLIBC_NAMES_UNISTD
#ifdef _GNU_SOURCE
#ifdef __cplusplus
extern "C" {
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE	(1U << 1)
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC	(1U << 2)
#endif
int close_range(unsigned, unsigned, int);
void closefrom(int);
int execveat(int, const char *, char *const [], char *const [], int);
/* Needs <errno.h>, as with glibc. */
#ifndef TEMP_FAILURE_RETRY
#define TEMP_FAILURE_RETRY(expression) \
	(__extension__({ \
		long int retried_; \
		do \
			retried_ = (long int)(expression); \
		while (retried_ == -1L && errno == EINTR); \
		retried_; \
	}))
#endif
#ifdef __cplusplus
}
#endif
#endif
#endif
