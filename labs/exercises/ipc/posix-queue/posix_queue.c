/*
 * A POSIX message queue: the most urgent first, and a word when something comes.
 *
 *   posix_queue send      make a queue, leave five messages, end
 *   posix_queue other     as another user: open it (0600); take the place of the one to be told
 *   posix_queue receive   in which order they come; full, too long; notification; its file; removal
 *
 * Man pages: mq_overview(7), mq_open(3), mq_send(3), mq_receive(3), mq_notify(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAME_SIZE = 128, ROOM = 5, SIZE = 32, PATIENCE_S = 30 };

static char name[NAME_SIZE];
static pid_t owner;

static void clean_up(void)
{
    mq_unlink(name);
}

/* Names outlive processes: whoever fails takes them away first. */
static _Noreturn void die(const char *what)
{
    perror(what);
    if (getpid() == owner)
        clean_up();
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
    case EAGAIN: return "blocked (EAGAIN)";
    case EBUSY: return "blocked (EBUSY)";
    case EINVAL: return "blocked (EINVAL)";
    case EMSGSIZE: return "blocked (EMSGSIZE)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another error)";
    }
}

/* What was observed so far: the members of the one JSON object that is printed in the end. */
static char observed[1024];

__attribute__((format(printf, 1, 2))) static void observe(const char *format, ...)
{
    size_t used = strlen(observed);
    va_list values;
    va_start(values, format);
    vsnprintf(observed + used, sizeof observed - used, format, values);
    va_end(values);
}

static mqd_t open_queue(int flags, struct mq_attr *attributes)
{
    mqd_t queue = mq_open(name, flags | O_NONBLOCK | O_CLOEXEC, 0600, attributes);
    if (queue == (mqd_t)-1)
        die("mq_open");
    return queue;
}

static void close_queue(mqd_t queue)
{
    if (mq_close(queue) == -1)
        die("mq_close");
}

static int put(mqd_t queue, const char *text, unsigned priority)
{
    return mq_send(queue, text, strlen(text), priority) == -1 ? errno : 0;
}

/* Appends the next message to `text`; false when there is none. */
static bool take(mqd_t queue, char *text)
{
    unsigned priority;
    char message[SIZE];
    ssize_t n = mq_receive(queue, message, sizeof message, &priority);
    if (n == -1 && errno == EAGAIN)
        return false;
    if (n == -1)
        die("mq_receive");
    printf("priority %u: %.*s\n", priority, (int)n, message);
    strncat(text, message, (size_t)n);
    return true;
}

static void run_send(void)
{
    struct mq_attr attributes = {.mq_maxmsg = ROOM, .mq_msgsize = SIZE};
    /* O_EXCL: a queue somebody else put under this name must not be taken for ours. */
    mqd_t queue = open_queue(O_RDWR | O_CREAT | O_EXCL, &attributes);
    static const struct {
        const char *text;
        unsigned priority;
    } messages[ROOM] = {{"a", 1}, {"b", 9}, {"c", 5}, {"d", 9}, {"e", 0}};
    for (int i = 0; i < ROOM; i++)
        if ((errno = put(queue, messages[i].text, messages[i].priority)) != 0)
            die("mq_send");
    const char *full = verdict(put(queue, "f", 9));
    close_queue(queue);
    printf("five messages are left in the queue\n");
    printf("{\"full\": \"%s\"}\n", full);
}

static void run_other(void)
{
    mqd_t queue = mq_open(name, O_RDONLY | O_CLOEXEC);
    int error = queue == (mqd_t)-1 ? errno : 0;
    if (queue != (mqd_t)-1)
        close_queue(queue);
    printf("{\"other_opens\": \"%s\"}\n", verdict(error));
}

/* A second process asks to be told as well; only one can be. */
static const char *second_listener(mqd_t queue)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        struct sigevent event = {.sigev_notify = SIGEV_NONE};
        _exit(mq_notify(queue, &event) == -1 ? errno : 0);
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return verdict(WIFEXITED(status) ? WEXITSTATUS(status) : EINVAL);
}

/* The signal is blocked and waited for, so that it cannot come too early. */
static bool told(void)
{
    sigset_t signals;
    struct timespec patience = {.tv_sec = PATIENCE_S};
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    int got;
    do
        got = sigtimedwait(&signals, NULL, &patience);
    while (got == -1 && errno == EINTR);
    return got == SIGUSR1;
}

static bool pending(void)
{
    sigset_t signals;
    if (sigpending(&signals) == -1)
        die("sigpending");
    return sigismember(&signals, SIGUSR1) == 1;
}

/* The queue is empty: the next message raises a signal, the one after it does not. */
static void show_notification(mqd_t queue)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    char rest[ROOM * SIZE + 1] = "";
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) == -1)
        die("sigprocmask");
    int asked = mq_notify(queue, &event) == -1 ? errno : 0;
    if (asked != 0) {
        observe("\"notification\": \"%s\", ", verdict(asked));
        return;
    }
    const char *second = second_listener(queue);
    if ((errno = put(queue, "x", 1)) != 0)
        die("mq_send");
    bool first = told();
    while (take(queue, rest))
        continue;
    if ((errno = put(queue, "y", 1)) != 0)
        die("mq_send");
    bool again = pending(); /* sending is over: a signal would be there by now */
    while (take(queue, rest))
        continue;
    observe("\"notification\": \"%s\", \"second_listener\": \"%s\", ", verdict(asked), second);
    observe("\"told\": %s, \"told_again\": %s, ", json_bool(first), json_bool(again));
}

/* Where the file system of the queues is mounted, a queue is a file. */
static void show_file(void)
{
    char path[NAME_SIZE + 16], line[128] = "";
    snprintf(path, sizeof path, "/dev/mqueue%s", name);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(line, sizeof line, file) == NULL)
            line[0] = '\0';
        fclose(file);
    }
    observe("\"seen_in_dev_mqueue\": %s, \"file_tells_bytes\": %s, ", json_bool(file != NULL),
           json_bool(strncmp(line, "QSIZE:5", 7) == 0));
}

static void run_receive(void)
{
    char order[ROOM * SIZE + 1] = "", small[1];
    show_file();
    mqd_t queue = open_queue(O_RDWR, NULL);
    int too_small = mq_receive(queue, small, sizeof small, NULL) == -1 ? errno : 0;
    while (take(queue, order))
        continue;
    char large[SIZE + 1] = {0};
    int too_large = mq_send(queue, large, sizeof large, 0) == -1 ? errno : 0;
    show_notification(queue);
    if (mq_unlink(name) == -1)
        die("mq_unlink");
    int nameless = put(queue, "z", 0);
    int gone = mq_open(name, O_RDONLY) == (mqd_t)-1 ? errno : 0;
    close_queue(queue);
    printf("{%s\"order\": \"%s\", \"small_buffer\": \"%s\", \"too_large\": \"%s\", ", observed, order,
           verdict(too_small), verdict(too_large));
    printf("\"usable_when_unlinked\": \"%s\", \"open_after_unlink\": \"%s\"}\n", verdict(nameless),
           verdict(gone));
}

int main(int argc, char *argv[])
{
    const char *tag = getenv("ISOLAB_TAG");
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    owner = getpid();
    int length = snprintf(name, sizeof name, "/isolab-queue-%s", tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= (int)sizeof name) {
        fprintf(stderr, "ISOLAB_TAG is too long\n");
        return 1;
    }
    if (strcmp(what, "send") == 0) {
        run_send();
    } else if (strcmp(what, "other") == 0) {
        run_other();
    } else if (strcmp(what, "receive") == 0) {
        run_receive();
    } else {
        fprintf(stderr, "usage: %s send | other | receive\n", argv[0]);
        return 1;
    }
    return 0;
}
