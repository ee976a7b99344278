
/* Not of musl: what glibc declares here as well, and isolab adds to the library. */
#ifndef ISOLAB_GLIBC_NAMES_STRING
#define ISOLAB_GLIBC_NAMES_STRING
#ifdef _GNU_SOURCE
#ifdef __cplusplus
extern "C" {
#endif
const char *sigabbrev_np(int);
const char *sigdescr_np(int);
#ifdef __cplusplus
}
#endif
#endif
#endif
