/*
 * Stands between the student's program and the two functions that install filters (the compiler is
 * told to call these here instead), and shows each filter on standard output before the kernel gets
 * it: "filter", the number of instructions in decimal and a newline, then the instructions.
 */
#undef prctl
#undef syscall
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PRCTL_ARGUMENTS = 4, CALL_ARGUMENTS = 6 };

extern int prctl(int operation, ...);
int captured_prctl(int operation, ...);
long captured_syscall(long number, ...);

static void show(const struct sock_fprog *program)
{
    char line[32];
    int length = snprintf(line, sizeof line, "filter %u\n", (unsigned)program->len);
    size_t size = program->len * sizeof program->filter[0];
    if (write(STDOUT_FILENO, line, (size_t)length) != length ||
        write(STDOUT_FILENO, program->filter, size) != (ssize_t)size)
        _exit(1);
}

/* As the C library does it: takes as many as there may be, and hands them on as they are. */
int captured_prctl(int operation, ...)
{
    unsigned long with[PRCTL_ARGUMENTS];
    va_list list;
    va_start(list, operation);
    for (int i = 0; i < PRCTL_ARGUMENTS; i++)
        with[i] = va_arg(list, unsigned long);
    va_end(list);
    if (operation == PR_SET_SECCOMP && with[0] == SECCOMP_MODE_FILTER)
        show((const struct sock_fprog *)with[1]);
    return prctl(operation, with[0], with[1], with[2], with[3]);
}

long captured_syscall(long number, ...)
{
    long with[CALL_ARGUMENTS];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < CALL_ARGUMENTS; i++)
        with[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_seccomp && with[0] == SECCOMP_SET_MODE_FILTER)
        show((const struct sock_fprog *)with[2]);
    return syscall(number, with[0], with[1], with[2], with[3], with[4], with[5]);
}
