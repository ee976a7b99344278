/*
 * An address means something only inside one address space: after fork(2) parent and child
 * use the same virtual address for the same variable and yet own different memory.
 *
 * The second half asks what the architecture decides about addresses and integers:
 * uname(2), sysconf(3), limits.h(0p), byteorder(3). Reading address 0, which nothing
 * maps, ends in SIGSEGV: signal(7), mmap(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a process sees when it looks at its own copy of `variable`. */
struct view {
    uintptr_t address;
    int value;
};

static volatile int variable = 1;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static struct view look(void)
{
    return (struct view){.address = (uintptr_t)&variable, .value = variable};
}

static _Noreturn void child_writes(int out)
{
    variable = 2;
    struct view mine = look();
    /* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
    if (write(out, &mine, sizeof mine) != (ssize_t)sizeof mine)
        die("write");
    _exit(0);
}

/* Let a child change the variable; return what the child then saw. */
static struct view view_of_child(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = start_child();
    if (pid == 0) {
        close(ends[0]);
        child_writes(ends[1]);
    }
    close(ends[1]);
    struct view seen;
    ssize_t got;
    do
        got = read(ends[0], &seen, sizeof seen);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof seen)
        die("read");
    close(ends[0]);
    wait_for(pid);
    return seen;
}

static const char *byte_order(void)
{
    const uint32_t number = 0x01020304;
    unsigned char first;
    memcpy(&first, &number, 1);
    return first == 1 ? "big" : first == 4 ? "little" : "neither";
}

/* noinline: the question is where a called function's frame lies. */
__attribute__((noinline)) static bool frame_is_below(uintptr_t callers_local)
{
    volatile char mine = 0;
    return (uintptr_t)&mine < callers_local;
}

__attribute__((noinline)) static bool stack_grows_down(void)
{
    volatile char mine = 0;
    bool below = frame_is_below((uintptr_t)&mine);
    return below && mine == 0;
}

static _Noreturn void child_reads_address_zero(void)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == -1)
        die("setrlimit");
    /* The flaw is the lesson. The address comes from a volatile variable, so that the compiler
     * cannot see the null pointer and must emit the load. */
    volatile uintptr_t zero = 0;
    char byte = *(volatile const char *)zero;
    (void)byte;
    _exit(0);
}

static const char *null_read(void)
{
    pid_t pid = start_child();
    if (pid == 0)
        child_reads_address_zero();
    int status = wait_for(pid);
    if (!WIFSIGNALED(status))
        return "no signal";
    return WTERMSIG(status) == SIGSEGV ? "SIGSEGV" : "another signal";
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct utsname system;
    if (uname(&system) == -1)
        die("uname");

    struct view child = view_of_child();
    struct view parent = look();
    printf("child:  variable at %#jx holds %d\n", (uintmax_t)child.address, child.value);
    printf("parent: variable at %#jx holds %d\n", (uintmax_t)parent.address, parent.value);

    printf("{\"same_address\": %s, \"child_write_reached_parent\": %s, ",
           json(child.address == parent.address), json(child.value == parent.value));
    printf("\"page_size\": %ld, \"pointer_bits\": %zu, \"long_bits\": %zu, ",
           sysconf(_SC_PAGESIZE), CHAR_BIT * sizeof(void *), CHAR_BIT * sizeof(long));
    printf("\"byte_order\": \"%s\", \"machine\": \"%s\", \"char_signed\": %s, ",
           byte_order(), system.machine, json(CHAR_MIN < 0));
    printf("\"stack_grows_down\": %s, \"null_read\": \"%s\"}\n",
           json(stack_grows_down()), null_read());
    return 0;
}
