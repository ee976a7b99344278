/*
 * UDP between two sockets of one machine, over 127.0.0.1.
 *
 * Shown: each send arrives as one receive, an empty one too; what does not fit the receiver's
 * buffer is cut off; a datagram has a largest size; a slow receiver's datagrams are dropped and
 * nobody is told; a connected socket learns that nobody listens, after the fact; and anybody may
 * send, the source address is all a receiver learns. Where a filter forbids internet sockets, that
 * is all there is to report.
 *
 * Man pages: udp(7), ip(7), socket(7), recv(2), send(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 500, SIZE = 1000, BUFFER = 16384, LARGEST = 65507, PATIENCE_MS = 60000 };
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
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case EMSGSIZE: return "blocked (EMSGSIZE)";
    case EAFNOSUPPORT: return "blocked (EAFNOSUPPORT)";
    case EAGAIN: return "blocked (EAGAIN)";
    default: return "blocked (another error)";
    }
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

struct pair {
    int sender, receiver;
    struct sockaddr_in sender_address;
};

static int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

static struct sockaddr_in bind_anywhere(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0};
    socklen_t size = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1)
        die("bind");
    if (getsockname(fd, (struct sockaddr *)&address, &size) == -1)
        die("getsockname");
    return address;
}

/* The sender is connected: it sends to one place and hears of errors from there. */
static struct pair make_pair(void)
{
    struct pair pair = {.sender = udp_socket(), .receiver = udp_socket()};
    struct sockaddr_in there = bind_anywhere(pair.receiver);

    pair.sender_address = bind_anywhere(pair.sender);
    if (connect(pair.sender, (struct sockaddr *)&there, sizeof there) == -1)
        die("connect");
    return pair;
}

static void close_pair(struct pair pair)
{
    close_end(pair.sender);
    close_end(pair.receiver);
}

/* Loopback delivers before send() returns, yet nobody promises it: so wait for it, bounded. */
static ssize_t receive(int fd, void *buffer, size_t size)
{
    struct pollfd asked = {.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&asked, 1, PATIENCE_MS) != 1)
        die("poll");
    return recv(fd, buffer, size, 0);
}

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        die("send");
}

static void boundaries(char *sizes, size_t room)
{
    char buffer[64];
    struct pair pair = make_pair();

    send_text(pair.sender, "Hello");
    send_text(pair.sender, "");
    send_text(pair.sender, "you");
    ssize_t first = receive(pair.receiver, buffer, sizeof buffer);
    ssize_t second = receive(pair.receiver, buffer, sizeof buffer);
    ssize_t third = receive(pair.receiver, buffer, sizeof buffer);
    snprintf(sizes, room, "%d %d %d", (int)first, (int)second, (int)third);
    close_pair(pair);
}

struct cut {
    bool told, source_right;
    char next[16];
};

static struct cut cut_short(void)
{
    struct cut cut;
    char small[4];
    struct sockaddr_in source;
    struct pair pair = make_pair();
    struct iovec part = {.iov_base = small, .iov_len = sizeof small};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&cut, 0, sizeof cut);
    memset(&source, 0, sizeof source);
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    send_text(pair.sender, "0123456789");
    send_text(pair.sender, "next");
    if (recvmsg(pair.receiver, &message, 0) != (ssize_t)sizeof small)
        die("recvmsg");
    cut.told = (message.msg_flags & MSG_TRUNC) != 0;
    cut.source_right = source.sin_port == pair.sender_address.sin_port &&
                       source.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    if (receive(pair.receiver, cut.next, sizeof cut.next - 1) == -1)
        die("recv");
    close_pair(pair);
    return cut;
}

static const char *send_of_size(size_t size)
{
    struct pair pair = make_pair();
    char *bytes = calloc(1, size);
    int room = 4 * LARGEST;

    if (bytes == NULL)
        die("calloc");
    if (setsockopt(pair.sender, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == -1)
        die("SO_SNDBUF");
    const char *answer = verdict(send(pair.sender, bytes, size, 0) == -1 ? errno : 0);
    free(bytes);
    close_pair(pair);
    return answer;
}

struct flood {
    int failed_sends, received;
};

/* Nobody receives while MANY are sent into a small buffer; then what is left is counted. */
static struct flood flood(void)
{
    struct flood seen = {0, 0};
    char bytes[SIZE] = "";
    struct pair pair = make_pair();
    int room = BUFFER;

    if (setsockopt(pair.receiver, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == -1)
        die("SO_RCVBUF");
    for (int i = 0; i < MANY; i++)
        seen.failed_sends += send(pair.sender, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes;
    while (recv(pair.receiver, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        seen.received++;
    close_pair(pair);
    return seen;
}

struct nobody {
    const char *first, *later;
};

/* The first datagram leaves; the refusal comes back and is the answer to the next call. */
static struct nobody send_to_nobody(void)
{
    struct nobody seen;
    struct pair pair = make_pair();
    struct pollfd asked = {.fd = pair.sender, .events = POLLIN, .revents = 0};

    close_end(pair.receiver);
    seen.first = verdict(send(pair.sender, "x", 1, 0) == -1 ? errno : 0);
    if (poll(&asked, 1, PATIENCE_MS) == -1) /* the error wakes it */
        die("poll");
    seen.later = verdict(send(pair.sender, "x", 1, 0) == -1 ? errno : 0);
    close_end(pair.sender);
    return seen;
}

static int internet_allowed(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    close_end(fd);
    return 0;
}

int main(void)
{
    char sizes[32];
    int error = internet_allowed();
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    printf("an internet socket: %s\n", verdict(error));
    if (error != 0) {
        printf("{\"socket\": \"%s\"}\n", verdict(error));
        return 0;
    }
    boundaries(sizes, sizeof sizes);
    struct cut cut = cut_short();
    printf("sent 5, 0 and 3 bytes, received %s; after a cut one comes: %s\n", sizes, cut.next);
    struct flood seen = flood();
    bool dropped = seen.received < MANY;
    printf("a flood: %d sends failed, datagrams lost: %s\n", seen.failed_sends, json_bool(dropped));
    struct nobody nobody = send_to_nobody();

    printf("{\"socket\": \"allowed\", \"sizes\": \"%s\", ", sizes);
    printf("\"cut_is_told\": %s, \"after_cut\": \"%s\", ", json_bool(cut.told), cut.next);
    printf("\"source_known\": %s, ", json_bool(cut.source_right));
    printf("\"largest\": \"%s\", ", send_of_size(LARGEST));
    printf("\"larger\": \"%s\", ", send_of_size(LARGEST + 1));
    printf("\"some_lost\": %s, \"failed_sends\": %d, ", json_bool(dropped), seen.failed_sends);
    printf("\"nobody_first\": \"%s\", \"nobody_later\": \"%s\"}\n", nobody.first, nobody.later);
    return 0;
}
