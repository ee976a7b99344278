/*
 * A number crosses a network twice: as it lies in memory, and in network byte order.
 *
 * Each machine serves every peer and is a client of every peer. On each connection both ends send
 * the same number in both forms, and the letter of their byte order; what came back from the first
 * peer is reported. A client begins before its server may be there, so it tries again.
 *
 * Man pages: tcp(7), ip(7), byteorder(3), connect(2), accept(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7601, MOST_PEERS = 32, MESSAGE = 9, TRIES = 600, PAUSE_MS = 50 };

static const uint32_t number = 0x01020304;

struct message {
    char order;           /* 'l' little, 'b' big */
    uint32_t raw;         /* the four bytes as a number of this machine */
    uint32_t from_network;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static char own_order(void)
{
    unsigned char first;
    memcpy(&first, &number, 1);
    return first == 0x01 ? 'b' : 'l';
}

/* TCP is a stream: one read may bring less than one write sent. */
static void read_exactly(int fd, unsigned char *buffer, size_t size)
{
    while (size > 0) {
        ssize_t n = read(fd, buffer, size);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("read");
        if (n == 0)
            give_up("the peer hung up early");
        buffer += n;
        size -= (size_t)n;
    }
}

static void send_all(int fd, const unsigned char *buffer, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, buffer, size, MSG_NOSIGNAL);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("send");
        buffer += n;
        size -= (size_t)n;
    }
}

/* Byte by byte: a struct would carry this compiler's padding onto the wire. */
static void say(int fd)
{
    unsigned char bytes[MESSAGE];
    uint32_t converted = htonl(number);

    bytes[0] = (unsigned char)own_order();
    memcpy(bytes + 1, &number, sizeof number);
    memcpy(bytes + 5, &converted, sizeof converted);
    send_all(fd, bytes, sizeof bytes);
}

static struct message hear(int fd)
{
    unsigned char bytes[MESSAGE];
    struct message heard;
    uint32_t converted;

    read_exactly(fd, bytes, sizeof bytes);
    heard.order = (char)bytes[0];
    memcpy(&heard.raw, bytes + 1, sizeof heard.raw);
    memcpy(&converted, bytes + 5, sizeof converted);
    heard.from_network = ntohl(converted);
    return heard;
}

static struct sockaddr_in place(const char *address)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1)
        give_up("not an IPv4 address");
    return where;
}

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

static int listen_at(const char *address)
{
    struct sockaddr_in where = place(address);
    int yes = 1, fd = tcp_socket();

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1)
        die("setsockopt");
    if (bind(fd, (struct sockaddr *)&where, sizeof where) == -1 || listen(fd, MOST_PEERS) == -1)
        die("listen");
    return fd;
}

static _Noreturn void serve(int listener, int peers)
{
    while (peers > 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd == -1 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd == -1)
            die("accept4");
        hear(fd);
        say(fd);
        close(fd);
        peers--;
    }
    exit(0);
}

static bool may_come(int error)
{
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == ETIMEDOUT;
}

/* A socket whose connect(2) failed is used up; each try takes a new one. */
static int connect_to(const char *address)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    struct sockaddr_in where = place(address);

    for (int tries = 0; tries < TRIES; tries++) {
        int fd = tcp_socket();
        if (connect(fd, (struct sockaddr *)&where, sizeof where) == 0)
            return fd;
        if (!may_come(errno))
            die("connect");
        close(fd);
        nanosleep(&pause, NULL);
    }
    give_up("the peer does not listen");
}

static struct message ask(const char *address)
{
    int fd = connect_to(address);
    say(fd);
    struct message heard = hear(fd);
    close(fd);
    return heard;
}

/* The addresses of "name=address name=address"; the text is cut up. */
static int addresses(char *text, const char *found[MOST_PEERS])
{
    int count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (equals == NULL || count == MOST_PEERS)
            give_up("ISOLAB_PEERS makes no sense");
        found[count++] = equals + 1;
    }
    return count;
}

static void wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        give_up("the server failed");
}

static void report(struct message heard)
{
    bool differ = heard.order != own_order();
    bool reversed = heard.raw == __builtin_bswap32(number);

    printf("raw it arrived as 0x%08x, through htonl and ntohl as 0x%08x\n", (unsigned)heard.raw,
           (unsigned)heard.from_network);
    printf("{\"byte_order\": \"%s\", \"peer_byte_order\": \"%s\", ", own_order() == 'b' ? "big" : "little",
           heard.order == 'b' ? "big" : "little");
    printf("\"sent\": \"0x%08x\", \"received_raw\": \"0x%08x\", \"received_network\": \"0x%08x\", ",
           (unsigned)number, (unsigned)heard.raw, (unsigned)heard.from_network);
    printf("\"reversed_if_orders_differ\": %s}\n", reversed == differ ? "true" : "false");
}

int main(void)
{
    const char *own = getenv("ISOLAB_ADDRESS"), *listed = getenv("ISOLAB_PEERS");
    const char *peers[MOST_PEERS];

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    char *text = listed != NULL ? strdup(listed) : NULL;
    int count = text != NULL ? addresses(text, peers) : 0;
    if (own == NULL || count == 0)
        give_up("no network: ISOLAB_ADDRESS and ISOLAB_PEERS are not set");
    int listener = listen_at(own);
    pid_t server = fork();
    if (server == -1)
        die("fork");
    if (server == 0)
        serve(listener, count);
    close(listener);
    struct message first = ask(peers[0]);
    for (int i = 1; i < count; i++)
        ask(peers[i]);
    wait_for(server);
    report(first);
    free(text);
    return 0;
}
