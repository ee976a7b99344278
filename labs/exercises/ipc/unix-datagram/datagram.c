/*
 * Datagrams between processes of one machine.
 *
 * Shown: each send arrives as one receive, an empty one too; what does not fit into the receiver's
 * buffer is cut off and lost; unlike UDP nothing is dropped on the way and the order is kept,
 * because a sender that is too fast has to wait; there is a limit for one datagram; and nobody at
 * the other end is an error, not silence.
 *
 * Man pages: unix(7), socketpair(2), send(2), recv(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000, MANY = 2000, TOO_BIG = 32 * 1024 * 1024 };
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
    case EAGAIN: return "blocked (EAGAIN)";
    case EMSGSIZE: return "blocked (EMSGSIZE)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case ENOTCONN: return "blocked (ENOTCONN)";
    case ECONNRESET: return "blocked (ECONNRESET)";
    case EPIPE: return "blocked (EPIPE)";
    case ENOBUFS: return "blocked (ENOBUFS)";
    default: return "blocked (another error)";
    }
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static void expect_success(pid_t child)
{
    int status = wait_for(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "a child failed\n");
        _exit(1);
    }
}

/* The state letter of /proc/PID/stat; it follows the last ')', for a name may contain one. */
static char state_of(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path);
    bool got_line = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *end = got_line ? strrchr(line, ')') : NULL;
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

/* No time is measured: the bound only keeps a program that is wrong from waiting for ever. */
static bool falls_asleep(pid_t pid)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (state_of(pid) == 'S')
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static void make_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == -1)
        die("socketpair");
}

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        die("send");
}

static ssize_t receive(int fd, void *buffer, size_t size)
{
    ssize_t n;
    do
        n = recv(fd, buffer, size, 0);
    while (n == -1 && errno == EINTR);
    return n;
}

/* The sizes in which three sends arrive, such as "5 0 3". */
static void boundaries(char *sizes, size_t room)
{
    char buffer[64];
    int ends[2];

    make_pair(ends);
    send_text(ends[0], "Hello");
    send_text(ends[0], "");
    send_text(ends[0], "you");
    ssize_t first = receive(ends[1], buffer, sizeof buffer);
    ssize_t second = receive(ends[1], buffer, sizeof buffer);
    ssize_t third = receive(ends[1], buffer, sizeof buffer);
    snprintf(sizes, room, "%d %d %d", (int)first, (int)second, (int)third);
    close_end(ends[0]);
    close_end(ends[1]);
}

struct cut {
    bool told;       /* MSG_TRUNC came with the part that fitted */
    char next[16];   /* what the next receive gives: not the rest */
};

static struct cut cut_short(void)
{
    struct cut cut;
    char small[4];
    int ends[2];
    struct iovec part = {.iov_base = small, .iov_len = sizeof small};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&cut, 0, sizeof cut);
    make_pair(ends);
    send_text(ends[0], "0123456789");
    send_text(ends[0], "next");
    if (recvmsg(ends[1], &message, 0) != (ssize_t)sizeof small)
        die("recvmsg");
    cut.told = (message.msg_flags & MSG_TRUNC) != 0;
    if (receive(ends[1], cut.next, sizeof cut.next - 1) == -1)
        die("recv");
    close_end(ends[0]);
    close_end(ends[1]);
    return cut;
}

static _Noreturn void send_many(int to)
{
    for (uint32_t i = 0; i < MANY; i++)
        if (send(to, &i, sizeof i, MSG_NOSIGNAL) != (ssize_t)sizeof i)
            die("send");
    _exit(0);
}

struct flood {
    bool sender_waited;
    int in_order; /* how many of MANY came, each in its place */
};

/* Nothing is received before the sender sleeps: it has sent what the queue takes, and waits. */
static struct flood flood(void)
{
    struct flood seen = {false, 0};
    int ends[2];

    make_pair(ends);
    pid_t sender = start_child();
    if (sender == 0) {
        close_end(ends[1]);
        send_many(ends[0]);
    }
    seen.sender_waited = falls_asleep(sender);
    for (uint32_t expected = 0; expected < MANY; expected++) {
        uint32_t got;
        if (receive(ends[1], &got, sizeof got) != (ssize_t)sizeof got)
            die("recv");
        seen.in_order += got == expected;
    }
    expect_success(sender);
    close_end(ends[0]);
    close_end(ends[1]);
    return seen;
}

static const char *overfill(void)
{
    int ends[2];
    ssize_t n;

    make_pair(ends);
    do
        n = send(ends[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == 1);
    const char *answer = verdict(errno);
    close_end(ends[0]);
    close_end(ends[1]);
    return answer;
}

static const char *send_too_big(void)
{
    int ends[2];
    char *bytes = calloc(1, TOO_BIG);

    if (bytes == NULL)
        die("calloc");
    make_pair(ends);
    ssize_t n = send(ends[0], bytes, TOO_BIG, MSG_NOSIGNAL);
    const char *answer = verdict(n == -1 ? errno : 0);
    free(bytes);
    close_end(ends[0]);
    close_end(ends[1]);
    return answer;
}

static const char *send_to_nobody(void)
{
    int ends[2];

    make_pair(ends);
    close_end(ends[1]);
    ssize_t n = send(ends[0], "x", 1, MSG_NOSIGNAL);
    const char *answer = verdict(n == -1 ? errno : 0);
    close_end(ends[0]);
    return answer;
}

int main(void)
{
    char sizes[32];
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    boundaries(sizes, sizeof sizes);
    struct cut cut = cut_short();
    printf("sent 5, 0 and 3 bytes, received %s; after a cut one comes: %s\n", sizes, cut.next);
    struct flood seen = flood();
    printf("of %d datagrams to a slow receiver %d came in order\n", MANY, seen.in_order);
    const char *full = overfill(), *big = send_too_big(), *nobody = send_to_nobody();

    printf("{\"sizes\": \"%s\", \"cut_is_told\": %s, \"after_cut\": \"%s\", ", sizes,
           json_bool(cut.told), cut.next);
    printf("\"sender_waits\": %s, \"sent\": %d, \"in_order\": %d, ", json_bool(seen.sender_waited),
           MANY, seen.in_order);
    printf("\"full_nonblocking\": \"%s\", \"too_big\": \"%s\", \"nobody\": \"%s\"}\n", full, big,
           nobody);
    return 0;
}
