/*
 * TCP between two processes of one machine, over 127.0.0.1.
 *
 * Shown: port 0 lets the kernel choose a free port; several sends may arrive as one receive, so a
 * reader counts bytes, not messages; whatever the pieces, all bytes come and in order; one
 * direction can be closed alone; a port where nobody listens refuses. Where a filter forbids
 * internet sockets, that is all there is to report.
 *
 * Man pages: tcp(7), ip(7), bind(2), getsockname(2), shutdown(2), connect(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BULK = 1 << 20, PIECE = 1000, SHORT_WRITES = 3, FIRST_FREE_PORT = 1024 };
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
    case EAFNOSUPPORT: return "blocked (EAFNOSUPPORT)";
    case ENETUNREACH: return "blocked (ENETUNREACH)";
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

static ssize_t read_some(int fd, void *buffer, size_t size)
{
    ssize_t n;
    do
        n = read(fd, buffer, size);
    while (n == -1 && errno == EINTR);
    return n;
}

/* One read() may return less than was asked for. */
static void read_exactly(int fd, void *buffer, size_t size)
{
    char *next = buffer;
    while (size > 0) {
        ssize_t n = read_some(fd, next, size);
        if (n <= 0)
            die("read");
        next += n;
        size -= (size_t)n;
    }
}

static void send_all(int fd, const void *buffer, size_t size)
{
    const char *next = buffer;
    while (size > 0) {
        ssize_t n = send(fd, next, size, MSG_NOSIGNAL);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("send");
        next += n;
        size -= (size_t)n;
    }
}

static struct sockaddr_in loopback(in_port_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

/* Bound to a port of the kernel's choice, which `port` gets in network byte order. */
static int bind_anywhere(in_port_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = tcp_socket();

    if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1)
        die("bind");
    if (getsockname(fd, (struct sockaddr *)&address, &size) == -1)
        die("getsockname");
    *port = address.sin_port;
    return fd;
}

static int try_connect(in_port_t port, int *fd)
{
    struct sockaddr_in address = loopback(port);
    *fd = tcp_socket();
    return connect(*fd, (struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
}

/* Bound and not listening: nobody else can take the port, and nobody is there. */
static const char *call_nobody(void)
{
    in_port_t port;
    int caller, fd = bind_anywhere(&port);
    const char *answer = verdict(try_connect(port, &caller));
    close_end(caller);
    close_end(fd);
    return answer;
}

static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 7 + position / 256);
}

/* Three short sends; when they have been heard, a mebibyte in pieces; then an answer. */
static _Noreturn void be_a_client(in_port_t port)
{
    unsigned char piece[PIECE];
    char word;
    int fd;

    if (try_connect(port, &fd) != 0)
        die("connect");
    for (int i = 0; i < SHORT_WRITES; i++)
        send_all(fd, "four", 4);
    read_exactly(fd, &word, 1);
    for (size_t sent = 0; sent < BULK;) {
        size_t size = BULK - sent < PIECE ? BULK - sent : PIECE;
        for (size_t i = 0; i < size; i++)
            piece[i] = byte_at(sent + i);
        send_all(fd, piece, size);
        sent += size;
    }
    if (shutdown(fd, SHUT_WR) == -1) /* all is said, and the answer can still come */
        die("shutdown");
    read_exactly(fd, &word, 1);
    _exit(word == 'k' ? 0 : 1);
}

static void wait_for_bytes(int fd, int count)
{
    int waiting = 0;
    while (waiting < count) {
        struct pollfd asked = {.fd = fd, .events = POLLIN, .revents = 0};
        if (poll(&asked, 1, 10) == -1 && errno != EINTR)
            die("poll");
        if (ioctl(fd, FIONREAD, &waiting) == -1)
            die("FIONREAD");
    }
}

struct heard {
    int first_read, bulk;
    bool in_order, answered;
};

static struct heard hear(int fd)
{
    struct heard heard = {.in_order = true};
    unsigned char buffer[PIECE];
    ssize_t n;

    wait_for_bytes(fd, 4 * SHORT_WRITES);
    heard.first_read = (int)read_some(fd, buffer, sizeof buffer);
    send_all(fd, "g", 1);
    while ((n = read_some(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            heard.in_order = heard.in_order && buffer[i] == byte_at((size_t)(heard.bulk + i));
        heard.bulk += (int)n;
    }
    if (n == -1)
        die("read");
    send_all(fd, "k", 1); /* after the client's end-of-file */
    return heard;
}

static struct heard serve(int listener, in_port_t port)
{
    if (listen(listener, 4) == -1)
        die("listen");
    pid_t client = start_child();
    if (client == 0) {
        close_end(listener);
        be_a_client(port);
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        die("accept4");
    struct heard heard = hear(fd);
    heard.answered = wait_for(client) == 0; /* it exits so when the answer came */
    close_end(fd);
    return heard;
}

/* The first thing that may be refused; everything else needs it. */
static int internet_allowed(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    close_end(fd);
    return 0;
}

int main(void)
{
    in_port_t port;
    int error = internet_allowed();
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    printf("an internet socket: %s\n", verdict(error));
    if (error != 0) {
        printf("{\"socket\": \"%s\"}\n", verdict(error));
        return 0;
    }
    int listener = bind_anywhere(&port);
    struct heard heard = serve(listener, port);
    close_end(listener);
    printf("%d sends of 4 bytes: one read gave %d\n", SHORT_WRITES, heard.first_read);
    printf("of %d bytes %d came, in order: %s\n", BULK, heard.bulk, json_bool(heard.in_order));

    printf("{\"socket\": \"allowed\", ");
    printf("\"port_chosen\": %s, ", json_bool(ntohs(port) >= FIRST_FREE_PORT));
    printf("\"first_read\": %d, \"bytes\": %d, ", heard.first_read, heard.bulk);
    printf("\"in_order\": %s, ", json_bool(heard.in_order));
    printf("\"answer_after_half_close\": %s, ", json_bool(heard.answered));
    printf("\"nobody_listens\": \"%s\"}\n", call_nobody());
    return 0;
}
