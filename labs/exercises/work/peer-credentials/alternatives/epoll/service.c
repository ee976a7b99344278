/*
 * Another design: epoll(7) gives back the structure of the client that is ready, which was made when it connected and
 * is freed when it goes. So no number of a descriptor is ever looked up.
 *
 * A service at a Unix-domain socket, which lets each user do what is that user's to do.
 *
 *   service PATH
 *
 * Who asks, the kernel tells: SO_PEERCRED of the connection, as it was when the client connected.
 * It is kept with that connection and forgotten with it. What clients say of themselves is no matter.
 *
 * Man pages: unix(7), socket(7), accept(2), epoll(7), send(2), umask(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_CLIENTS = 32, LONGEST = 100 }; /* bytes of a request, without its end */

struct client {
    int fd;    /* -1: it is to go */
    uid_t uid; /* of whoever connected */
    size_t length;
    bool too_long;
    char request[LONGEST + 1];
};

static int set; /* of the listener, whose structure is NULL, and of all clients */
static int there;
static char value[LONGEST + 1] = "nothing";

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void drop(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

/* A client that does not take its answers is dropped: we do not wait for it. */
static void answer(struct client *client, const char *word, const char *more)
{
    char line[LONGEST + 16];
    int length = snprintf(line, sizeof line, "%s%s\n", word, more);
    if (send(client->fd, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) != length)
        drop(client);
}

static bool may_command(const struct client *client)
{
    return client->uid == geteuid() || client->uid == 0;
}

static void answer_user(struct client *client)
{
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)client->uid);
    answer(client, "uid ", number);
}

static void serve(struct client *client)
{
    const char *request = client->too_long ? "" : client->request;
    if (strcmp(request, "whoami") == 0) {
        answer_user(client);
    } else if (strcmp(request, "get") == 0) {
        answer(client, "value ", value);
    } else if (strncmp(request, "i-am ", 5) == 0) {
        answer(client, "ok", ""); /* of the old protocol: nice to hear, and no reason for anything */
    } else if (strncmp(request, "set ", 4) != 0 && strcmp(request, "stop") != 0) {
        answer(client, "unknown", "");
    } else if (!may_command(client)) {
        answer(client, "denied", "");
    } else {
        answer(client, "ok", "");
        if (strcmp(request, "stop") == 0)
            exit(0);
        strcpy(value, request + 4);
    }
}

static void take(struct client *client, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count && client->fd != -1; i++) {
        if (bytes[i] == '\n') {
            client->request[client->length] = '\0';
            serve(client);
            client->length = 0;
            client->too_long = false;
        } else if (client->length == LONGEST) {
            client->too_long = true;
        } else {
            client->request[client->length++] = bytes[i];
        }
    }
}

static void hear(struct client *client)
{
    char bytes[512];
    ssize_t n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        take(client, bytes, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop(client);
}

static void watch(int fd, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == -1)
        die("epoll_ctl");
}

static void welcome(int listener)
{
    struct client *client;
    struct ucred peer;
    socklen_t size = sizeof peer;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        return; /* it went again; nothing that would not come back is expected here */
    if (there == MOST_CLIENTS || (client = calloc(1, sizeof *client)) == NULL) {
        close(fd);
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1)
        die("SO_PEERCRED");
    client->fd = fd;
    client->uid = peer.uid;
    there++;
    watch(fd, client);
}

/* 0666, whatever the umask was: everybody may ask. */
static int listen_at(const char *path)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof here.sun_path) {
        fprintf(stderr, "%s: too long\n", path);
        exit(1);
    }
    strcpy(here.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    umask(0111);
    if (fd == -1 || bind(fd, (struct sockaddr *)&here, sizeof here) == -1 || listen(fd, SOMAXCONN) == -1)
        die(path);
    return fd;
}

static _Noreturn void serve_all(int listener)
{
    set = epoll_create1(EPOLL_CLOEXEC);
    if (set == -1)
        die("epoll_create1");
    watch(listener, NULL);
    for (;;) {
        /* One at a time: what comes with a later event cannot have been freed by an earlier one. */
        struct epoll_event event;
        int count = epoll_wait(set, &event, 1, -1);
        if (count == -1 && errno != EINTR)
            die("epoll_wait");
        if (count < 1)
            continue;
        struct client *client = event.data.ptr;
        if (client == NULL) {
            welcome(listener);
            continue;
        }
        hear(client);
        if (client->fd == -1) {
            free(client);
            there--;
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PATH\n", argv[0]);
        return 1;
    }
    int listener = listen_at(argv[1]);
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("stdout");
    serve_all(listener);
}
