/*
 * Spreading over the network: a program that reaches a service of the host has a way out of where
 * it is. It tries TCP and UDP on the loopback interface (ip(7)), the same ports at its gateway,
 * where user networking of virtual machines would answer for the host, TCP on the host's own
 * address, an abstract UNIX socket (unix(7)) and a raw socket (raw(7)).
 *
 * It calls nobody but the listeners that were planted for it. A service that is reached is left a
 * mark; whether it came is for the other side to say.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 1500 };

static const char *mark;

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case ENETUNREACH: return "blocked (ENETUNREACH)";
    case EHOSTUNREACH: return "blocked (EHOSTUNREACH)";
    case ETIMEDOUT: return "blocked (ETIMEDOUT)";
    default: return "blocked (another errno)";
    }
}

/* Waits for a connection under way. 0, or the errno. */
static int finish(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;
    int ready;

    do
        ready = poll(&one, 1, PATIENCE_MS);
    while (ready == -1 && errno == EINTR);
    if (ready == 0)
        return ETIMEDOUT;
    if (ready == -1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
        return errno;
    return error;
}

/* Leaves the mark at an address. 0, or the errno. */
static int leave(int type, const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        return EINVAL;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return errno;
    int error = connect(fd, (struct sockaddr *)&to, sizeof to) == -1 ? errno : 0;
    if (error == EINPROGRESS)
        error = finish(fd);
    if (error == 0 && send(fd, mark, strlen(mark), MSG_NOSIGNAL) == -1)
        error = errno;
    close(fd);
    return error;
}

static int leave_at_name(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    /* An abstract name begins with a NUL and has no end but the address's length. */
    size_t length = strlen(name);
    if (length + 1 > sizeof to.sun_path)
        return EINVAL;
    memcpy(to.sun_path + 1, name, length);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    int error =
        sendto(fd, mark, strlen(mark), MSG_NOSIGNAL, (struct sockaddr *)&to, size) == -1 ? errno : 0;
    close(fd);
    return error;
}

/* The gateway of the default route, from /proc/net/route (its numbers are as they are on the
 * wire). 0 when there is none. */
static int find_gateway(char *text, size_t size)
{
    char line[256], interface[32];
    unsigned destination, gateway;
    FILE *routes = fopen("/proc/net/route", "re");
    int found = 0;

    while (routes != NULL && !found && fgets(line, sizeof line, routes) != NULL) {
        if (sscanf(line, "%31s %x %x", interface, &destination, &gateway) == 3 && destination == 0) {
            struct in_addr address = {.s_addr = gateway};
            found = inet_ntop(AF_INET, &address, text, (socklen_t)size) != NULL;
        }
    }
    if (routes != NULL)
        fclose(routes);
    return found;
}

static int raw_socket(void)
{
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

int main(void)
{
    const char *port = getenv("ISOLAB_CANARY_PORT"), *udp = getenv("ISOLAB_CANARY_UDP_PORT");
    const char *name = getenv("ISOLAB_CANARY_SOCKET"), *host = getenv("ISOLAB_CANARY_HOST");
    char gateway[INET_ADDRSTRLEN] = "10.0.2.2"; /* where QEMU's user networking has the host */

    mark = getenv("ISOLAB_CANARY_MARK");
    if (mark == NULL || port == NULL || udp == NULL || name == NULL) {
        fputs("there is nothing to attack: ISOLAB_CANARY_PORT and others are not set\n", stderr);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    find_gateway(gateway, sizeof gateway);
    puts("loopback, the gateway, the host's own address, an abstract name, a raw socket");
    const char *loopback = verdict(leave(SOCK_STREAM, "127.0.0.1", port));
    leave(SOCK_DGRAM, "127.0.0.1", udp);
    int by_gateway = leave(SOCK_STREAM, gateway, port);
    leave(SOCK_DGRAM, gateway, udp);
    leave(SOCK_STREAM, "10.0.2.2", port);
    int outside = host == NULL ? ENETUNREACH : leave(SOCK_STREAM, host, getenv("ISOLAB_CANARY_HOST_PORT"));
    const char *abstract = verdict(leave_at_name(name));
    printf("{\"loopback\": \"%s\", \"gateway\": \"%s\", ", loopback, by_gateway ? "blocked" : "allowed");
    printf("\"host_address\": \"%s\", \"abstract\": \"%s\", ", outside ? "blocked" : "allowed", abstract);
    printf("\"raw_socket\": \"%s\"}\n", verdict(raw_socket()));
    return 0;
}
