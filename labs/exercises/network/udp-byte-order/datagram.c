/*
 * A number in a datagram, sent again until it is acknowledged.
 *
 * Each machine sends every peer a number, raw and in network byte order, until the peer has
 * acknowledged it, and acknowledges what it gets. UDP promises neither arrival nor order: before
 * the peer has its socket, datagrams are lost without a word.
 *
 * Man pages: udp(7), ip(7), byteorder(3), sendto(2), recvfrom(2), poll(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PORT = 7602, MOST_PEERS = 32, NUMBER_SIZE = 10, ACK_SIZE = 1 };
enum { AGAIN_MS = 100, TRIES = 300, LINGER = 5 };

static const uint32_t number = 0x01020304;

struct peer {
    struct sockaddr_in where;
    bool acknowledged; /* it has our number */
    bool heard;        /* we have its number */
    char order;
    uint32_t raw, from_network;
    size_t size;
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

static struct sockaddr_in place(const char *address)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1)
        give_up("not an IPv4 address");
    return where;
}

static int open_socket(const char *address)
{
    struct sockaddr_in where = place(address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        die("socket");
    if (bind(fd, (struct sockaddr *)&where, sizeof where) == -1)
        die("bind");
    return fd;
}

/* A datagram that cannot be sent now is lost like any other. */
static void send_to(int fd, const struct peer *peer, const unsigned char *bytes, size_t size)
{
    ssize_t n;
    do
        n = sendto(fd, bytes, size, 0, (const struct sockaddr *)&peer->where, sizeof peer->where);
    while (n == -1 && errno == EINTR);
    if (n == -1 && errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH &&
        errno != ENOBUFS)
        die("sendto");
}

static void send_number(int fd, const struct peer *peer)
{
    unsigned char bytes[NUMBER_SIZE] = {'n', (unsigned char)own_order()};
    uint32_t converted = htonl(number);

    memcpy(bytes + 2, &number, sizeof number);
    memcpy(bytes + 6, &converted, sizeof converted);
    send_to(fd, peer, bytes, sizeof bytes);
}

static void take_number(struct peer *peer, const unsigned char *bytes, size_t size)
{
    uint32_t converted;

    peer->heard = true;
    peer->size = size;
    peer->order = (char)bytes[1];
    memcpy(&peer->raw, bytes + 2, sizeof peer->raw);
    memcpy(&converted, bytes + 6, sizeof converted);
    peer->from_network = ntohl(converted);
}

static struct peer *find(struct peer *peers, int count, const struct sockaddr_in *from)
{
    for (int i = 0; i < count; i++)
        if (peers[i].where.sin_addr.s_addr == from->sin_addr.s_addr &&
            peers[i].where.sin_port == from->sin_port)
            return &peers[i];
    return NULL; /* anybody may send us a datagram */
}

static void receive(int fd, struct peer *peers, int count)
{
    unsigned char bytes[64];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    /* Not waiting: a datagram that poll(2) announced may be dropped for its checksum. */
    ssize_t n = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &length);

    if (n == -1 && (errno == EINTR || errno == EAGAIN || errno == ECONNREFUSED || errno == EHOSTUNREACH))
        return;
    if (n == -1)
        die("recvfrom");
    struct peer *peer = find(peers, count, &from);
    if (peer == NULL)
        return;
    if (n == ACK_SIZE && bytes[0] == 'a')
        peer->acknowledged = true;
    if (n != NUMBER_SIZE || bytes[0] != 'n')
        return;
    take_number(peer, bytes, (size_t)n);
    send_to(fd, peer, (const unsigned char *)"a", ACK_SIZE); /* also again: an ack may be lost */
}

/* Waits for a datagram; false when it stayed quiet. */
static bool something_comes(int fd, int milliseconds)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLIN, .revents = 0};
    int ready = poll(&wait_for, 1, milliseconds);

    if (ready == -1 && errno != EINTR)
        die("poll");
    return ready > 0;
}

static bool all_done(const struct peer *peers, int count)
{
    for (int i = 0; i < count; i++)
        if (!peers[i].acknowledged || !peers[i].heard)
            return false;
    return true;
}

static void exchange(int fd, struct peer *peers, int count)
{
    for (int tries = 0; !all_done(peers, count); tries++) {
        if (tries == TRIES)
            give_up("a peer does not answer");
        for (int i = 0; i < count; i++)
            if (!peers[i].acknowledged)
                send_number(fd, &peers[i]);
        while (something_comes(fd, AGAIN_MS))
            receive(fd, peers, count);
    }
    /* Our last acknowledgement may be lost: stay until nobody has repeated a number for a while. */
    while (something_comes(fd, AGAIN_MS * LINGER))
        receive(fd, peers, count);
}

/* Peers of "name=address name=address"; the text is cut up. */
static int read_peers(char *text, struct peer found[MOST_PEERS])
{
    int count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (equals == NULL || count == MOST_PEERS)
            give_up("ISOLAB_PEERS makes no sense");
        found[count] = (struct peer){.where = place(equals + 1)};
        count++;
    }
    return count;
}

static void report(const struct peer *peer)
{
    bool differ = peer->order != own_order();
    bool reversed = peer->raw == __builtin_bswap32(number);

    printf("a datagram of %zu bytes: raw 0x%08x, through ntohl 0x%08x\n", peer->size,
           (unsigned)peer->raw, (unsigned)peer->from_network);
    printf("{\"byte_order\": \"%s\", \"peer_byte_order\": \"%s\", ", own_order() == 'b' ? "big" : "little",
           peer->order == 'b' ? "big" : "little");
    printf("\"datagram_bytes\": %zu, \"acknowledged\": true, ", peer->size);
    printf("\"received_raw\": \"0x%08x\", \"received_network\": \"0x%08x\", ", (unsigned)peer->raw,
           (unsigned)peer->from_network);
    printf("\"reversed_if_orders_differ\": %s}\n", reversed == differ ? "true" : "false");
}

int main(void)
{
    const char *own = getenv("ISOLAB_ADDRESS"), *listed = getenv("ISOLAB_PEERS");
    struct peer peers[MOST_PEERS];

    char *text = listed != NULL ? strdup(listed) : NULL;
    int count = text != NULL ? read_peers(text, peers) : 0;
    free(text);
    if (own == NULL || count == 0)
        give_up("no network: ISOLAB_ADDRESS and ISOLAB_PEERS are not set");
    exchange(open_socket(own), peers, count);
    report(&peers[0]);
    return 0;
}
