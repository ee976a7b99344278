/*
 * Wild pointers. A child writes to an address nobody mapped, and another one to the very address
 * at which a process of the host keeps its data. The first dies of SIGSEGV; the second dies or
 * damages itself, but never the other process: an address means something only together with the
 * address space it is used in (mmap(2), signal(7)).
 *
 * A third child writes past the end of an array into its neighbour. Nothing stops that: both are
 * its own. (To write out of bounds is undefined behaviour; here the two are parts of one struct and
 * the write goes through a pointer to the whole, so that it is not, and the damage is the same.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UNHARMED = 0, HARMED = 3 };

struct account {
    char name[8];
    char balance[8];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void write_at(uintptr_t address)
{
    *(volatile char *)address = '!';
    _exit(HARMED);
}

/* An address that is certainly not mapped: a page that was, until now. */
static void write_to_nothing(uintptr_t unused)
{
    (void)unused;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *gone = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (gone == MAP_FAILED || munmap(gone, page) == -1)
        die("mmap");
    write_at((uintptr_t)gone);
}

static void write_past_the_end(uintptr_t unused)
{
    (void)unused;
    struct account account = {.name = "alice", .balance = "100"};
    volatile char *bytes = (volatile char *)&account;
    for (size_t i = 0; i < sizeof account.name + 4; i++)
        bytes[i] = '9'; /* the last four are the balance's */
    _exit(memcmp(account.balance, "100", 3) == 0 ? UNHARMED : HARMED);
}

/* The wait status of a child that does `deed`. */
static int in_a_child(void (*deed)(uintptr_t), uintptr_t address)
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        deed(address);
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static int killed_by(int status, int number)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

int main(void)
{
    const char *text = getenv("ISOLAB_CANARY_MEMORY");
    if (text == NULL) {
        fputs("ISOLAB_CANARY_MEMORY is not set\n", stderr);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("a write to memory that is not mapped, one past the end of an array,");
    int nowhere = in_a_child(write_to_nothing, 0);
    int past = in_a_child(write_past_the_end, 0);
    puts("and one to the address at which another process keeps its data");
    in_a_child(write_at, (uintptr_t)strtoull(text, NULL, 16));
    printf("{\"unmapped\": \"%s\", \"neighbour\": \"%s\"}\n",
           killed_by(nowhere, SIGSEGV) ? "killed (SIGSEGV)" : "something else",
           WIFEXITED(past) && WEXITSTATUS(past) == HARMED ? "damaged" : "unharmed");
    return 0;
}
