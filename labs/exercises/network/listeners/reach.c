/*
 * Who can be reached over a network, and who cannot.
 *
 * Each machine listens twice: at its address on the network and, at another port, at 127.0.0.1.
 * It then tries to reach its peers' listeners, a peer's loopback listener through the peer's
 * address, the router an emulated machine's first interface leads to, and the Internet (an
 * address reserved for documentation: nobody is disturbed).
 *
 * Man pages: ip(7), tcp(7), connect(2), poll(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7603, LOOPBACK_PORT = 7604, DISCARD_PORT = 9, MOST_PEERS = 32 };
enum { PATIENCE_MS = 3000, TRIES = 600, PAUSE_MS = 50, NO_ANSWER = -1 };

static const char loopback[] = "127.0.0.1";
static const char router[] = "10.0.2.2";    /* QEMU's user network: its way to the host */
static const char elsewhere[] = "192.0.2.1"; /* RFC 5737 */

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

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case NO_ANSWER: return "blocked (no answer)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case ENETUNREACH: return "blocked (ENETUNREACH)";
    case EHOSTUNREACH: return "blocked (EHOSTUNREACH)";
    case ETIMEDOUT: return "blocked (no answer)";
    default: return "blocked (another error)";
    }
}

static struct sockaddr_in place(const char *address, int port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1)
        give_up("not an IPv4 address");
    return where;
}

static int listen_at(const char *address, int port)
{
    struct sockaddr_in where = place(address, port);
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1)
        die("setsockopt");
    if (bind(fd, (struct sockaddr *)&where, sizeof where) == -1 || listen(fd, MOST_PEERS) == -1)
        die("listen");
    return fd;
}

static int connection_error(int fd)
{
    struct pollfd wait_for = {.fd = fd, .events = POLLOUT, .revents = 0};
    int error = 0, ready;
    socklen_t length = sizeof error;

    do
        ready = poll(&wait_for, 1, PATIENCE_MS);
    while (ready == -1 && errno == EINTR);
    if (ready == -1)
        die("poll");
    if (ready == 0)
        return NO_ANSWER;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == -1)
        die("getsockopt");
    return error;
}

/* 0 and a connected descriptor, or an error and -1: non-blocking, for silence would last minutes. */
static int reach(const char *address, int port, int *connected)
{
    struct sockaddr_in where = place(address, port);
    int error = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1)
        die("socket");
    if (connect(fd, (struct sockaddr *)&where, sizeof where) == -1)
        error = errno == EINPROGRESS ? connection_error(fd) : errno;
    if (error != 0) {
        close(fd);
        fd = -1;
    }
    *connected = fd;
    return error;
}

static int just_try(const char *address, int port)
{
    int fd, error = reach(address, port, &fd);
    if (fd != -1)
        close(fd);
    return error;
}

/* The peer may not listen yet: only of one that never does is this the answer. */
static int reach_in_time(const char *address, int *connected)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    int error = 0;

    for (int tries = 0; tries < TRIES; tries++) {
        error = reach(address, PORT, connected);
        if (error != ECONNREFUSED && error != EHOSTUNREACH)
            return error;
        nanosleep(&pause, NULL);
    }
    return error;
}

/* Holds the listeners open until every peer has hung up, which says that it is done. */
static _Noreturn void serve(int listener, int peers)
{
    char nothing;

    while (peers > 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd == -1 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd == -1)
            die("accept4");
        while (read(fd, &nothing, 1) == -1 && errno == EINTR)
            continue;
        close(fd);
        peers--;
    }
    exit(0);
}

/* Of the first peer, what is reported; `inside` is its loopback listener, sought from outside. */
struct found {
    int peer, inside;
};

static struct found visit(const char *address)
{
    struct found found;
    int fd;

    found.peer = reach_in_time(address, &fd);
    /* The peer made its loopback listener first, and keeps it while this connection is open. */
    found.inside = just_try(address, LOOPBACK_PORT);
    if (fd != -1)
        close(fd);
    return found;
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

static void look_around(const char *peers[], int count)
{
    struct found first = visit(peers[0]);
    for (int i = 1; i < count; i++)
        visit(peers[i]);
    const char *own = verdict(just_try(loopback, LOOPBACK_PORT));
    const char *host = verdict(just_try(router, DISCARD_PORT));
    const char *internet = verdict(just_try(elsewhere, DISCARD_PORT));

    printf("the peer: %s; its 127.0.0.1: %s; mine: %s\n", verdict(first.peer), verdict(first.inside), own);
    printf("the host: %s; the Internet: %s\n", host, internet);
    printf("{\"peer\": \"%s\", \"peer_loopback\": \"%s\", \"own_loopback\": \"%s\", ", verdict(first.peer),
           verdict(first.inside), own);
    printf("\"host\": \"%s\", \"internet\": \"%s\"}\n", host, internet);
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
    int inside = listen_at(loopback, LOOPBACK_PORT);
    int listener = listen_at(own, PORT);
    pid_t server = fork();
    if (server == -1)
        die("fork");
    if (server == 0)
        serve(listener, count);
    close(listener);
    look_around(peers, count);
    wait_for(server);
    close(inside);
    free(text);
    return 0;
}
