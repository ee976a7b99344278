/*
 * Streams of bytes and messages: what becomes of the seams between two writes?
 *
 * "hello" and "abc" are sent in two pieces. The receiver asks for 1 byte, then for 100. A stream
 * knows no pieces: 1, then the other 7 bytes. A message is given out as one: what does not fit is
 * cut off and lost, or the request is refused and the message stays.
 *
 * Man pages: pipe(7), pipe(2) O_DIRECT, unix(7), recv(2), msgop(2), mq_receive(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL = 1, LARGE = 100, MESSAGE_SIZE = 64, ANSWER = 64 };

static const char FIRST[] = "hello";
static const char SECOND[] = "abc";

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void close_fd(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static const char *name_of(int error)
{
    switch (error) {
    case E2BIG: return "E2BIG";
    case EMSGSIZE: return "EMSGSIZE";
    case EAGAIN: return "EAGAIN";
    case EACCES: return "EACCES";
    default: return "another error";
    }
}

/* One half of an answer: a number of bytes, or why there were none. */
static void note(char *answer, size_t room, ssize_t n)
{
    if (n == -1)
        snprintf(answer, room, "%s", name_of(errno));
    else
        snprintf(answer, room, "%d", (int)n);
}

static void show(const char *what, const char *small, const char *large)
{
    printf("\"%s\": \"%s, then %s\"", what, small, large);
}

static void must_send(ssize_t n, size_t size)
{
    if (n != (ssize_t)size)
        die("send");
}

/* Both pieces are there before anything is read, so that nothing depends on time. */
static void show_descriptors(const char *what, int from, int to)
{
    char buffer[LARGE], small[ANSWER], large[ANSWER];
    must_send(write(to, FIRST, strlen(FIRST)), strlen(FIRST));
    must_send(write(to, SECOND, strlen(SECOND)), strlen(SECOND));
    note(small, sizeof small, read(from, buffer, SMALL));
    note(large, sizeof large, read(from, buffer, LARGE));
    show(what, small, large);
    close_fd(from);
    close_fd(to);
}

static void show_pipe(const char *what, int flags)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | flags) == -1)
        die("pipe2");
    show_descriptors(what, ends[0], ends[1]);
}

static void show_socket(const char *what, int type)
{
    int ends[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
    show_descriptors(what, ends[0], ends[1]);
}

static void put_system_v(int id, const char *text)
{
    struct {
        long type;
        char text[MESSAGE_SIZE];
    } message = {.type = 1};
    memcpy(message.text, text, strlen(text));
    if (msgsnd(id, &message, strlen(text), IPC_NOWAIT) == -1)
        die("msgsnd");
}

static void show_system_v(void)
{
    struct {
        long type;
        char text[LARGE];
    } message;
    char small[ANSWER], large[ANSWER];
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (id == -1)
        die("msgget");
    put_system_v(id, FIRST);
    put_system_v(id, SECOND);
    note(small, sizeof small, msgrcv(id, &message, SMALL, 0, IPC_NOWAIT));
    note(large, sizeof large, msgrcv(id, &message, LARGE, 0, IPC_NOWAIT));
    if (msgctl(id, IPC_RMID, NULL) == -1)
        die("IPC_RMID");
    show("sysv_queue", small, large);
}

static void show_posix(void)
{
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = MESSAGE_SIZE};
    char buffer[LARGE], name[128], small[ANSWER], large[ANSWER];
    const char *tag = getenv("ISOLAB_TAG");
    int length = snprintf(name, sizeof name, "/isolab-seams-%s", tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= (int)sizeof name) {
        fprintf(stderr, "ISOLAB_TAG is too long\n");
        exit(1);
    }
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
    int error = queue == (mqd_t)-1 ? errno : 0;
    mq_unlink(name); /* it stays usable, and cannot be left behind, even if only opening failed */
    if (error != 0) {
        printf("\"posix_queue\": \"blocked (%s)\"", name_of(error));
        return;
    }
    if (mq_send(queue, FIRST, strlen(FIRST), 0) == -1 || mq_send(queue, SECOND, strlen(SECOND), 0) == -1)
        die("mq_send");
    note(small, sizeof small, mq_receive(queue, buffer, SMALL, NULL));
    note(large, sizeof large, mq_receive(queue, buffer, LARGE, NULL));
    if (mq_close(queue) == -1)
        die("mq_close");
    show("posix_queue", small, large);
}

int main(void)
{
    printf("sent 5 and 3 bytes; asked for 1 byte, then for 100\n");
    printf("{");
    show_pipe("pipe", 0);
    printf(", ");
    show_pipe("packet_pipe", O_DIRECT);
    printf(", ");
    show_socket("stream_socket", SOCK_STREAM);
    printf(", ");
    show_socket("datagram_socket", SOCK_DGRAM);
    printf(", ");
    show_socket("seqpacket_socket", SOCK_SEQPACKET);
    printf(", ");
    show_system_v();
    printf(", ");
    show_posix();
    printf("}\n");
    return 0;
}
