/*
 * Taking what others need. A small fork bomb: MOST processes that do nothing but be there for
 * some seconds, while a process of the same user id on the host tries to fork. And a memory hog
 * that asks for MEBIBYTES and touches all of it.
 *
 * The number of processes is limited by user id, RLIMIT_NPROC in getrlimit(2). In a user namespace
 * (user_namespaces(7)) it is another id that counts, and since Linux 5.14 whoever made the namespace, too.
 * Memory is limited by a control group (cgroups(7)) or by how much the machine has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, HOLD_SECONDS = 3, MEBIBYTES = 320 };

static pid_t children[MOST];

static void wait_for(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) == -1 && errno == EINTR)
        continue;
}

/* How many processes there were at once. */
static int fork_bomb(void)
{
    struct timespec hold = {HOLD_SECONDS, 0};
    int count = 0;

    while (count < MOST) {
        pid_t pid = fork();
        if (pid == -1)
            break;
        if (pid == 0)
            for (;;)
                pause();
        children[count++] = pid;
    }
    while (nanosleep(&hold, &hold) == -1 && errno == EINTR)
        continue;
    for (int i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    for (int i = 0; i < count; i++)
        wait_for(children[i], NULL);
    return count;
}

/* In a child, that the kernel may kill for it. */
static const char *hog(void)
{
    size_t size = (size_t)MEBIBYTES << 20, page = (size_t)sysconf(_SC_PAGESIZE);
    int status;
    pid_t pid = fork();

    if (pid == -1)
        return "refused";
    if (pid == 0) {
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            _exit(2);
        for (size_t at = 0; at < size; at += page)
            memory[at] = 1;
        _exit(0);
    }
    wait_for(pid, &status);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGKILL ? "stopped (SIGKILL)" : "stopped";
    return WEXITSTATUS(status) == 0 ? "got it all" : "refused";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%d processes, %d MiB of memory\n", MOST, MEBIBYTES);
    int count = fork_bomb();
    const char *memory = hog();
    printf("{\"processes\": %d, \"memory\": \"%s\"}\n", count, memory);
    return 0;
}
