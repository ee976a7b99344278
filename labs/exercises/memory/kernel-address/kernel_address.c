/*
 * Reading and writing an address that is the kernel's, and what tells where the kernel is.
 *
 * Each access is made in a child, by the processor itself, and by a system call that is given the
 * address: the first is a fault, the second an error. A page that is ours is the control. Then the
 * ways by which the kernel would say where its code is, and /proc/kcore, which is its memory.
 *
 * Man pages: signal(7), sigaction(2) "si_code", write(2), proc_kallsyms(5), proc_kcore(5),
 * proc_sys_kernel(5) "kptr_restrict".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * 16 MiB below the upper end. That is the kernel's on all architectures but s390x, whose kernel has an address
 * space of its own: there it is nobody's. The last page or two may be lent to programs (32-bit ARM).
 */
#define OF_THE_KERNEL ((uintptr_t)-(16 << 20))

static char ours[16] = "ours";

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void caught(int number)
{
    _exit(number == SIGSEGV ? 10 : 11);
}

static void read_it(uintptr_t address)
{
    (void)*(volatile char *)address;
}

static void write_it(uintptr_t address)
{
    *(volatile char *)address = 'x';
}

/* A child makes the access; it catches the signal, so that no core is dumped. */
static const char *by_processor(void (*access_it)(uintptr_t), uintptr_t address)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        struct sigaction action = {.sa_handler = caught};
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGSEGV, &action, NULL) == -1 || sigaction(SIGBUS, &action, NULL) == -1)
            _exit(1);
        access_it(address);
        _exit(0);
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status))
        return "killed";
    switch (WEXITSTATUS(status)) {
    case 0: return "allowed";
    case 10: return "SIGSEGV";
    case 11: return "SIGBUS";
    default: return "failed";
    }
}

/* The kernel is asked to read there, on our behalf: it may read all, and asks whether we may. */
static const char *by_write(uintptr_t address)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    ssize_t written = write(ends[1], (const void *)address, 1);
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return written == 1 ? "allowed" : error == EFAULT ? "blocked (EFAULT)" : "blocked (another errno)";
}

/* Whether the first symbols have addresses: they are shown as 0 to those who may not know. */
static const char *symbols(void)
{
    char line[512];
    unsigned long long address, sum = 0;
    FILE *file = fopen("/proc/kallsyms", "re");
    if (file == NULL)
        return errno == ENOENT ? "not there" : "blocked";
    for (int read = 0; read < 50 && fgets(line, sizeof line, file) != NULL; read++)
        if (sscanf(line, "%llx", &address) == 1)
            sum |= address;
    fclose(file);
    return sum != 0 ? "shown" : "all 0";
}

static const char *core_of_kernel(void)
{
    int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
    if (fd != -1) {
        char byte;
        ssize_t got = read(fd, &byte, 1);
        close(fd);
        return got == 1 ? "allowed" : got == 0 ? "empty" : "blocked (read)";
    }
    switch (errno) {
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case ENOENT: return "not there";
    default: return "blocked (another errno)";
    }
}

int main(void)
{
    printf("{\"own_read\": \"%s\", ", by_processor(read_it, (uintptr_t)ours));
    fflush(stdout);
    printf("\"own_write\": \"%s\", ", by_processor(write_it, (uintptr_t)ours));
    printf("\"own_by_call\": \"%s\", ", by_write((uintptr_t)ours));
    fflush(stdout);
    printf("\"kernel_read\": \"%s\", ", by_processor(read_it, OF_THE_KERNEL));
    fflush(stdout);
    printf("\"kernel_write\": \"%s\", ", by_processor(write_it, OF_THE_KERNEL));
    printf("\"kernel_by_call\": \"%s\", ", by_write(OF_THE_KERNEL));
    printf("\"symbols\": \"%s\", \"kcore\": \"%s\"}\n", symbols(), core_of_kernel());
    return 0;
}
