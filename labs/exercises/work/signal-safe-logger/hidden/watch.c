/*
 * Functions that logger.c gets instead of the C library's: hidden.yaml compiles it with -Dwrite=watch_write
 * and so on. They do what the library's do, but the unsafe ones note that a handler called them, and
 * write() behaves as it is planned: as interrupted, as taking a part only, or with a signal coming at
 * just that moment. So may the functions that block signals.
 *
 * Man pages: signal-safety(7), write(2), sigprocmask(2), stdio(3).
 */
#define _GNU_SOURCE 1
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t watch_in_handler;
const char *volatile watch_unsafe;
static const enum step *volatile plan;
static volatile sig_atomic_t before_blocking;

void watch_plan(const enum step *steps)
{
    plan = steps;
}

void watch_blocking(void)
{
    before_blocking = 1;
}

static void note(const char *name)
{
    if (watch_in_handler && watch_unsafe == NULL)
        watch_unsafe = name;
}

/* The library's own, under names that the compiler's options do not change. */
extern ssize_t library_write(int, const void *, size_t) __asm__("write");
extern void *library_malloc(size_t) __asm__("malloc");
extern void *library_calloc(size_t, size_t) __asm__("calloc");
extern void *library_realloc(void *, size_t) __asm__("realloc");
extern void library_free(void *) __asm__("free");
extern int library_vfprintf(FILE *, const char *, va_list) __asm__("vfprintf");
extern int library_vdprintf(int, const char *, va_list) __asm__("vdprintf");
extern int library_vsnprintf(char *, size_t, const char *, va_list) __asm__("vsnprintf");
extern int library_vsprintf(char *, const char *, va_list) __asm__("vsprintf");
extern int library_puts(const char *) __asm__("puts");
extern int library_fputs(const char *, FILE *) __asm__("fputs");
extern int library_fputc(int, FILE *) __asm__("fputc");
extern size_t library_fwrite(const void *, size_t, size_t, FILE *) __asm__("fwrite");
extern int library_fflush(FILE *) __asm__("fflush");
extern FILE *library_fdopen(int, const char *) __asm__("fdopen");
extern FILE *library_fopen(const char *, const char *) __asm__("fopen");
extern int library_fclose(FILE *) __asm__("fclose");
extern int library_sigprocmask(int, const sigset_t *, sigset_t *) __asm__("sigprocmask");
extern int library_pthread_sigmask(int, const sigset_t *, sigset_t *) __asm__("pthread_sigmask");
extern int library_lock(pthread_mutex_t *) __asm__("pthread_mutex_lock");
extern int library_trylock(pthread_mutex_t *) __asm__("pthread_mutex_trylock");
extern int library_spin_lock(pthread_spinlock_t *) __asm__("pthread_spin_lock");
extern int library_sem_wait(sem_t *) __asm__("sem_wait");
extern int library_sem_trywait(sem_t *) __asm__("sem_trywait");
extern int library_flock(int, int) __asm__("flock");
extern int library_vasprintf(char **, const char *, va_list) __asm__("vasprintf");
extern char *library_strdup(const char *) __asm__("strdup");
extern char *library_strndup(const char *, size_t) __asm__("strndup");
extern struct tm *library_localtime(const time_t *) __asm__("localtime");
extern struct tm *library_localtime_r(const time_t *, struct tm *) __asm__("localtime_r");
extern char *library_strerror(int) __asm__("strerror");
extern void library_perror(const char *) __asm__("perror");
extern _Noreturn void library_exit(int) __asm__("exit");
extern void library_vsyslog(int, const char *, va_list) __asm__("vsyslog");

ssize_t write(int fd, const void *bytes, size_t size)
{
    enum step step = plan == NULL ? STEP_END : *plan;
    if (step == STEP_END)
        return library_write(fd, bytes, size);
    plan++; /* first: the signal's handler may write, too */
    if (step == STEP_EINTR || step == STEP_EAGAIN) {
        errno = step == STEP_EINTR ? EINTR : EAGAIN;
        return -1;
    }
    if (step == STEP_SIGNAL && raise(SIGUSR1) != 0)
        _exit(1);
    return library_write(fd, bytes, step == STEP_PART && size > 3 ? 3 : size);
}

/* The handler logs in the midst of whatever was done before signals are shut out. */
static void come_before_blocking(int how, const sigset_t *set)
{
    if (!before_blocking || set == NULL || how == SIG_UNBLOCK)
        return;
    before_blocking = 0; /* first: the handler blocks signals, too */
    if (raise(SIGUSR1) != 0)
        _exit(1);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    come_before_blocking(how, set);
    return library_sigprocmask(how, set, old);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    come_before_blocking(how, set);
    return library_pthread_sigmask(how, set, old);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    note("pthread_mutex_lock");
    return library_lock(mutex);
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    note("pthread_mutex_trylock");
    return library_trylock(mutex);
}

int pthread_spin_lock(pthread_spinlock_t *lock)
{
    note("pthread_spin_lock");
    return library_spin_lock(lock);
}

int sem_wait(sem_t *semaphore)
{
    note("sem_wait");
    return library_sem_wait(semaphore);
}

int sem_trywait(sem_t *semaphore)
{
    note("sem_trywait");
    return library_sem_trywait(semaphore);
}

int flock(int fd, int operation)
{
    note("flock");
    return library_flock(fd, operation);
}

int vasprintf(char **text, const char *format, va_list list)
{
    note("vasprintf");
    return library_vasprintf(text, format, list);
}

int asprintf(char **text, const char *format, ...)
{
    va_list list;
    note("asprintf");
    va_start(list, format);
    int done = library_vasprintf(text, format, list);
    va_end(list);
    return done;
}

char *strdup(const char *text)
{
    note("strdup");
    return library_strdup(text);
}

char *strndup(const char *text, size_t most)
{
    note("strndup");
    return library_strndup(text, most);
}

struct tm *localtime(const time_t *when)
{
    note("localtime");
    return library_localtime(when);
}

struct tm *localtime_r(const time_t *when, struct tm *fields)
{
    note("localtime_r");
    return library_localtime_r(when, fields);
}

char *strerror(int number)
{
    note("strerror");
    return library_strerror(number);
}

void perror(const char *text)
{
    note("perror");
    library_perror(text);
}

_Noreturn void exit(int status)
{
    note("exit");
    library_exit(status);
}

void *malloc(size_t size)
{
    note("malloc");
    return library_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note("calloc");
    return library_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    note("realloc");
    return library_realloc(block, size);
}

void free(void *block)
{
    note("free");
    library_free(block);
}

int vfprintf(FILE *stream, const char *format, va_list list)
{
    note("vfprintf");
    return library_vfprintf(stream, format, list);
}

int vdprintf(int fd, const char *format, va_list list)
{
    note("vdprintf");
    return library_vdprintf(fd, format, list);
}

int vsnprintf(char *text, size_t size, const char *format, va_list list)
{
    note("vsnprintf");
    return library_vsnprintf(text, size, format, list);
}

int vsprintf(char *text, const char *format, va_list list)
{
    note("vsprintf");
    return library_vsprintf(text, format, list);
}

/* Those with "...", by those with a list. */
int printf(const char *format, ...)
{
    va_list list;
    note("printf");
    va_start(list, format);
    int done = library_vfprintf(stdout, format, list);
    va_end(list);
    return done;
}

int fprintf(FILE *stream, const char *format, ...)
{
    va_list list;
    note("fprintf");
    va_start(list, format);
    int done = library_vfprintf(stream, format, list);
    va_end(list);
    return done;
}

int dprintf(int fd, const char *format, ...)
{
    va_list list;
    note("dprintf");
    va_start(list, format);
    int done = library_vdprintf(fd, format, list);
    va_end(list);
    return done;
}

int snprintf(char *text, size_t size, const char *format, ...)
{
    va_list list;
    note("snprintf");
    va_start(list, format);
    int done = library_vsnprintf(text, size, format, list);
    va_end(list);
    return done;
}

int sprintf(char *text, const char *format, ...)
{
    va_list list;
    note("sprintf");
    va_start(list, format);
    int done = library_vsprintf(text, format, list);
    va_end(list);
    return done;
}

void syslog(int priority, const char *format, ...)
{
    va_list list;
    note("syslog");
    va_start(list, format);
    library_vsyslog(priority, format, list);
    va_end(list);
}

int puts(const char *text)
{
    note("puts");
    return library_puts(text);
}

int fputs(const char *text, FILE *stream)
{
    note("fputs");
    return library_fputs(text, stream);
}

int fputc(int byte, FILE *stream)
{
    note("fputc");
    return library_fputc(byte, stream);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream)
{
    note("fwrite");
    return library_fwrite(bytes, size, count, stream);
}

int fflush(FILE *stream)
{
    note("fflush");
    return library_fflush(stream);
}

FILE *fdopen(int fd, const char *mode)
{
    note("fdopen");
    return library_fdopen(fd, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    note("fopen");
    return library_fopen(path, mode);
}

int fclose(FILE *stream)
{
    note("fclose");
    return library_fclose(stream);
}
