/*
 * Signals that the processor causes: which address, which reason, and when there is none at all.
 *
 * Shown: SIGSEGV at an address without memory and at one without permission; SIGBUS beyond the end
 * of a file; whether the address told is exact or only its page; and what dividing by zero does:
 * a trap on some architectures, a number on others.
 *
 * Dividing by zero and INT_MIN / -1 are undefined in C; that they are done is the lesson. The
 * operands are volatile, so that the compiler cannot decide the matter itself.
 *
 * Man pages: sigaction(2) "si_code", signal(7), mmap(2), mprotect(2), sigsetjmp(3).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OFFSET = 0x123 }; /* within the page */

static sigjmp_buf way_out;

/* Written by the handler, read after siglongjmp(). */
static volatile sig_atomic_t seen_signal, seen_code;
static void *volatile seen_address;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Returning would execute the same instruction again: leave. */
static void handle(int number, siginfo_t *info, void *context)
{
    (void)context;
    seen_signal = number;
    seen_code = info->si_code;
    seen_address = info->si_addr;
    siglongjmp(way_out, 1);
}

static void handle_all(void)
{
    const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGTRAP};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], &action, NULL) == -1)
            die("sigaction");
}

static void touch(volatile char *address)
{
    seen_signal = 0;
    if (sigsetjmp(way_out, 1) == 0)
        *address = 1;
}

static const char *signal_name(void)
{
    switch (seen_signal) {
    case 0: return "no signal";
    case SIGSEGV: return seen_code == SEGV_MAPERR   ? "SIGSEGV, SEGV_MAPERR"
                         : seen_code == SEGV_ACCERR ? "SIGSEGV, SEGV_ACCERR"
                                                    : "SIGSEGV, another code";
    case SIGBUS: return seen_code == BUS_ADRERR ? "SIGBUS, BUS_ADRERR" : "SIGBUS, another code";
    case SIGFPE: return seen_code == FPE_INTDIV   ? "SIGFPE, FPE_INTDIV"
                        : seen_code == FPE_INTOVF ? "SIGFPE, FPE_INTOVF"
                        : seen_code == SI_TKILL   ? "SIGFPE, raised by the library"
                                                  : "SIGFPE, another code";
    case SIGTRAP: return "SIGTRAP";
    default: return "another signal";
    }
}

static const char *precision(const char *address, size_t page)
{
    uintptr_t told = (uintptr_t)seen_address, meant = (uintptr_t)address;
    if (told == meant)
        return "exact";
    return told / page == meant / page ? "its page" : "another";
}

static char *map(size_t size, int protection, int fd)
{
    int flags = fd == -1 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    char *memory = mmap(NULL, size, protection, flags, fd, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

static void show_memory(size_t page)
{
    char *gone = map(page, PROT_READ, -1);
    char *read_only = map(page, PROT_READ, -1);
    if (munmap(gone, page) == -1)
        die("munmap");
    touch(gone + OFFSET);
    printf("{\"unmapped\": \"%s\", \"address_told\": \"%s\", ", signal_name(),
           precision(gone + OFFSET, page));
    touch(read_only + OFFSET);
    printf("\"read_only\": \"%s\", ", signal_name());
    touch(NULL);
    printf("\"null_pointer\": \"%s\", ", signal_name());
}

/* A file of no bytes, mapped: there is an address, but nothing behind it. */
static void show_file(size_t page)
{
    int fd = open("empty", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || unlink("empty") == -1)
        die("empty");
    touch(map(page, PROT_READ | PROT_WRITE, fd));
    close(fd);
    printf("\"beyond_file\": \"%s\", ", signal_name());
}

#ifdef __powerpc__
enum { ANY_RESULT = 1 }; /* undefined by the architecture: another model, another number */
#else
enum { ANY_RESULT = 0 };
#endif

/* What a division gives: a signal, or which number. */
static const char *divide(volatile int dividend, volatile int divisor)
{
    volatile int result = 0;
    seen_signal = 0;
    if (sigsetjmp(way_out, 1) == 0)
        result = dividend / divisor;
    if (seen_signal != 0)
        return signal_name();
    if (ANY_RESULT)
        return "no signal, any result";
    switch (result) {
    case 0: return "no signal, 0";
    case -1: return "no signal, -1";
    case INT_MIN: return "no signal, INT_MIN";
    default: return "no signal, another result";
    }
}

int main(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    handle_all();
    const char *by_zero = divide(7, 0);
    const char *overflow = divide(INT_MIN, -1);
    volatile double zero = 0.0;
    bool infinite = 1.0 / zero > 1e300;
    show_memory(page);
    show_file(page);
    printf("\"divide_by_zero\": \"%s\", \"int_min_by_minus_1\": \"%s\", ", by_zero, overflow);
    printf("\"divide_by_0_0\": \"%s\"}\n", infinite ? "infinity" : "another");
    return 0;
}
