/*
 * Memory that belongs to somebody else: a variable of a process of the same user, POSIX shared
 * memory (shm_overview(7)), a System V segment (shmop(2)) and the message in a System V queue
 * (msgop(2)), all of them on the host.
 *
 * For the variable there are two ways, process_vm_writev(2) and the file /proc/PID/mem (proc(5)).
 * Both ask for the same right, "ptrace access mode" in ptrace(2), but only the first is a system
 * call that a filter can recognise.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SIZE = 128 };

struct message {
    long type;
    char text[SIZE];
};

static const char *wanted(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set\n", name);
        exit(1);
    }
    return value;
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ENOENT: return "blocked (ENOENT)";
    case ESRCH: return "blocked (ESRCH)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another errno)";
    }
}

/* The address fits a pointer here only if this machine's pointers are as wide as the host's. */
static int by_system_call(pid_t pid, uint64_t address, const char *mark)
{
    struct iovec from = {(void *)(uintptr_t)mark, strlen(mark) + 1};
    struct iovec to = {(void *)(uintptr_t)address, strlen(mark) + 1};

    return process_vm_writev(pid, &from, 1, &to, 1, 0) == -1 ? errno : 0;
}

static int by_file(pid_t pid, uint64_t address, const char *mark)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = pwrite(fd, mark, strlen(mark) + 1, (off_t)address) == -1 ? errno : 0;
    close(fd);
    return error;
}

static int posix_memory(const char *mark)
{
    char path[SIZE];
    snprintf(path, sizeof path, "/dev/shm%s", wanted("ISOLAB_CANARY_SHM"));
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd == -1)
        return errno;
    int error = ftruncate(fd, SIZE) == -1 ? errno : 0;
    char *memory = error ? MAP_FAILED : mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        return error ? error : errno;
    strcpy(memory, mark);
    munmap(memory, SIZE);
    return 0;
}

static int segment(const char *mark)
{
    int id = shmget((key_t)strtoul(wanted("ISOLAB_CANARY_SEGMENT"), NULL, 16), 0, 0);
    char *memory = id == -1 ? (char *)-1 : shmat(id, NULL, 0);
    if (memory == (char *)-1)
        return errno;
    strcpy(memory, mark);
    return shmdt(memory) == -1 ? errno : 0;
}

static int queue(void)
{
    struct message message;
    int id = msgget((key_t)strtoul(wanted("ISOLAB_CANARY_QUEUE"), NULL, 16), 0);
    if (id == -1)
        return errno;
    return msgrcv(id, &message, SIZE, 0, IPC_NOWAIT | MSG_NOERROR) == -1 ? errno : 0;
}

int main(void)
{
    const char *mark = wanted("ISOLAB_CANARY_MARK");
    pid_t pid = (pid_t)strtol(wanted("ISOLAB_CANARY_MEMORY_PID"), NULL, 10);
    uint64_t address = strtoull(wanted("ISOLAB_CANARY_MEMORY"), NULL, 16);
    int call = EPERM, file = EPERM;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("write into a variable of another process, by system call and by /proc/PID/mem");
    /* A number of the host may by chance be ours in here: that is no attack. */
    if (pid != getpid()) {
        call = by_system_call(pid, address, mark);
        file = by_file(pid, address, mark);
    }
    puts("write into shared memory, take the message out of a queue");
    printf("{\"system_call\": \"%s\", \"proc_mem\": \"%s\", ", call == 0 ? "allowed" : "blocked",
           file == 0 ? "allowed" : "blocked");
    printf("\"posix\": \"%s\", \"segment\": \"%s\", ", verdict(posix_memory(mark)), verdict(segment(mark)));
    printf("\"queue\": \"%s\"}\n", verdict(queue()));
    return 0;
}
