/*
 * How much of everything: the kernel's limits for IPC, and what happens just beyond one.
 *
 * Shown: the numbers under /proc/sys, who may change them, and a queue that asks for too much. On
 * kernels of 32 bits the largest segment is another.
 *
 * Man pages: pipe(7), proc_sys_kernel(5), mq_overview(7), getrlimit(2), ipc_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TEXT_SIZE = 128, DEFAULT_QUEUE = 819200 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EPERM: return "blocked (EPERM)";
    case EROFS: return "blocked (EROFS)";
    default: return "blocked (another error)";
    }
}

/* The one line of a file of /proc/sys; numbers in it are set apart by tabs. */
static void read_setting(const char *path, char text[TEXT_SIZE])
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(text, TEXT_SIZE, file) == NULL)
        die(path);
    fclose(file);
    text[strcspn(text, "\n")] = '\0';
    for (char *tab = text; (tab = strchr(tab, '\t')) != NULL; tab++)
        *tab = ' ';
}

static void show_number(const char *label, const char *path)
{
    char text[TEXT_SIZE];
    read_setting(path, text);
    printf("\"%s\": %ld, ", label, strtol(text, NULL, 10));
}

/* As text: the number is too large for many readers of JSON. */
static void show_text(const char *label, const char *path)
{
    char text[TEXT_SIZE];
    read_setting(path, text);
    printf("\"%s\": \"%s\", ", label, text);
}

static const char *open_for_writing(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return verdict(errno);
    if (close(fd) == -1)
        die("close");
    return verdict(0);
}

/* A queue for one message more than fs.mqueue.msg_max. */
static const char *queue_above_limit(void)
{
    char text[TEXT_SIZE], name[TEXT_SIZE];
    const char *tag = getenv("ISOLAB_TAG");
    snprintf(name, sizeof name, "/isolab-limit-%.90s", tag != NULL ? tag : "by-hand");
    read_setting("/proc/sys/fs/mqueue/msg_max", text);
    struct mq_attr attributes = {.mq_maxmsg = strtol(text, NULL, 10) + 1, .mq_msgsize = 8};
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    int error = queue == (mqd_t)-1 ? errno : 0;
    mq_unlink(name);
    if (queue != (mqd_t)-1)
        mq_close(queue);
    return verdict(error);
}

static void show_pipes(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    long atomic = fpathconf(ends[1], _PC_PIPE_BUF);
    close(ends[0]);
    close(ends[1]);
    printf("\"pipe_buf\": %ld, ", atomic);
    show_number("pipe_max_size", "/proc/sys/fs/pipe-max-size");
    printf("\"change_pipe_max_size\": \"%s\", ", open_for_writing("/proc/sys/fs/pipe-max-size"));
}

static void show_system_v(void)
{
    show_number("msgmax", "/proc/sys/kernel/msgmax");
    show_number("msgmnb", "/proc/sys/kernel/msgmnb");
    show_number("msgmni", "/proc/sys/kernel/msgmni");
    show_text("shmmax", "/proc/sys/kernel/shmmax");
    show_number("shmmni", "/proc/sys/kernel/shmmni");
    show_text("semaphores", "/proc/sys/kernel/sem");
    printf("\"change_msgmax\": \"%s\", ", open_for_writing("/proc/sys/kernel/msgmax"));
}

static void show_queues(void)
{
    struct rlimit limit;
    show_number("mq_msg_max", "/proc/sys/fs/mqueue/msg_max");
    show_number("mq_msgsize_max", "/proc/sys/fs/mqueue/msgsize_max");
    show_number("mq_queues_max", "/proc/sys/fs/mqueue/queues_max");
    if (getrlimit(RLIMIT_MSGQUEUE, &limit) == -1)
        die("RLIMIT_MSGQUEUE");
    printf("\"queue_bytes_as_default\": %s, ", json_bool(limit.rlim_cur == DEFAULT_QUEUE));
    printf("\"queue_above_msg_max\": \"%s\"}\n", queue_above_limit());
}

int main(void)
{
    printf("{");
    show_pipes();
    show_system_v();
    show_queues();
    return 0;
}
