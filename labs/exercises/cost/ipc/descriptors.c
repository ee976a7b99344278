/*
 * The mechanisms that are descriptors: pipes, FIFOs, Unix-domain sockets, TCP and UDP at 127.0.0.1.
 *
 * Once they are open, one writes and reads them all alike.
 *
 * Man pages: pipe(2), mkfifo(3), fifo(7), socketpair(2), unix(7), tcp(7), udp(7).
 */
#include "../measure.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "channel.h"

enum { WINDOW = 8 }; /* messages that fit into the default buffer of a socket on every machine */

/* By side; where a descriptor works both ways, the same twice. */
static int reads[2], writes[2];
static int mine;

static void close_end(int end)
{
    if (close(end) == -1)
        die("close");
}

static void close_side(int side)
{
    close_end(reads[side]);
    if (writes[side] != reads[side])
        close_end(writes[side]);
}

static void take_side(int side, pid_t partner)
{
    (void)partner;
    mine = side;
    close_side(1 - side);
}

static void close_mine(void)
{
    close_side(mine);
}

static void send_bytes(const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(writes[mine], (const char *)data + done, size - done);
        if (n == -1)
            die("write");
        done += (size_t)n;
    }
}

static void receive_bytes(void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(reads[mine], (char *)data + done, size - done);
        if (n == -1)
            die("read");
        if (n == 0) {
            fprintf(stderr, "the partner closed its end\n");
            _exit(1);
        }
        done += (size_t)n;
    }
}

static void join(const int there[2], const int back[2])
{
    reads[PARENT] = back[0];
    writes[PARENT] = there[1];
    reads[CHILD] = there[0];
    writes[CHILD] = back[1];
}

static void join_both_ways(const int pair[2])
{
    for (int side = PARENT; side <= CHILD; side++)
        reads[side] = writes[side] = pair[side];
}

static int open_pipe(void)
{
    int there[2], back[2];
    if (pipe2(there, O_CLOEXEC) == -1 || pipe2(back, O_CLOEXEC) == -1)
        return errno;
    join(there, back);
    return 0;
}

/* The reading end first and without waiting, or each open() would wait for the other (fifo(7)). */
static int one_fifo(const char *name, int ends[2])
{
    if (mkfifo(name, 0600) == -1)
        return errno;
    ends[0] = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (ends[0] == -1)
        die(name);
    ends[1] = open(name, O_WRONLY | O_CLOEXEC);
    if (ends[1] == -1)
        die(name);
    if (fcntl(ends[0], F_SETFL, 0) == -1)
        die("fcntl");
    if (unlink(name) == -1) /* nobody else needs to find it */
        die("unlink");
    return 0;
}

static int open_fifo(void)
{
    int there[2], back[2], error = one_fifo("there.fifo", there);
    if (error == 0)
        error = one_fifo("back.fifo", back);
    if (error == 0)
        join(there, back);
    return error;
}

static int open_pair(int type)
{
    int pair[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == -1)
        return errno;
    join_both_ways(pair);
    return 0;
}

static int open_unix_stream(void)
{
    return open_pair(SOCK_STREAM);
}

static int open_unix_datagram(void)
{
    return open_pair(SOCK_DGRAM);
}

/* A socket at 127.0.0.1 and a port that the kernel chose; `where` says which. */
static int socket_here(int type, struct sockaddr_in *where)
{
    socklen_t size = sizeof *where;
    int made = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (made == -1)
        return -1;
    *where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(made, (struct sockaddr *)where, sizeof *where) == -1 ||
        getsockname(made, (struct sockaddr *)where, &size) == -1)
        return -1;
    return made;
}

static int open_tcp(void)
{
    struct sockaddr_in where, other;
    int on = 1, pair[2], listener = socket_here(SOCK_STREAM, &where);
    if (listener == -1)
        return errno;
    pair[PARENT] = socket_here(SOCK_STREAM, &other);
    if (pair[PARENT] == -1 || listen(listener, 1) == -1 ||
        connect(pair[PARENT], (struct sockaddr *)&where, sizeof where) == -1)
        return errno;
    pair[CHILD] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (pair[CHILD] == -1)
        return errno;
    close_end(listener);
    /* Otherwise the kernel may hold back what is small, and its patience would be measured. */
    for (int side = PARENT; side <= CHILD; side++)
        if (setsockopt(pair[side], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1)
            die("TCP_NODELAY");
    join_both_ways(pair);
    return 0;
}

static int open_udp(void)
{
    struct sockaddr_in where[2];
    int pair[2];
    for (int side = PARENT; side <= CHILD; side++)
        if ((pair[side] = socket_here(SOCK_DGRAM, &where[side])) == -1)
            return errno;
    for (int side = PARENT; side <= CHILD; side++)
        if (connect(pair[side], (struct sockaddr *)&where[1 - side], sizeof where[0]) == -1)
            return errno;
    join_both_ways(pair);
    return 0;
}

#define BY_DESCRIPTOR .take_side = take_side, .send = send_bytes, .receive = receive_bytes, .close = close_mine

const struct mechanism by_pipe = {.latency = "latency_pipe",
                                  .throughput = "throughput_pipe",
                                  .open = open_pipe,
                                  BY_DESCRIPTOR};
const struct mechanism by_fifo = {.latency = "latency_fifo",
                                  .throughput = "throughput_fifo",
                                  .open = open_fifo,
                                  BY_DESCRIPTOR};
const struct mechanism by_unix_stream = {.latency = "latency_unix_stream",
                                         .throughput = "throughput_unix_stream",
                                         .open = open_unix_stream,
                                         BY_DESCRIPTOR};
const struct mechanism by_unix_datagram = {.latency = "latency_unix_datagram",
                                           .throughput = "throughput_unix_datagram",
                                           .open = open_unix_datagram,
                                           BY_DESCRIPTOR};
const struct mechanism by_tcp = {.latency = "latency_tcp",
                                 .throughput = "throughput_tcp",
                                 .open = open_tcp,
                                 BY_DESCRIPTOR};
const struct mechanism by_udp = {.latency = "latency_udp",
                                 .throughput = "throughput_udp",
                                 .open = open_udp,
                                 .window = WINDOW,
                                 BY_DESCRIPTOR};
