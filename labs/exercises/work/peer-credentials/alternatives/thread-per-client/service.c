/*
 * Another design: a thread for each client, which may wait for it as long as it likes. Only the value is common
 * to all, behind a mutex. A thread that waits for its client to read holds up nobody.
 *
 * A service at a Unix-domain socket, which lets each user do what is that user's to do.
 *
 *   service PATH
 *
 * Who asks, the kernel tells: SO_PEERCRED of the connection, as it was when the client connected.
 * It is kept with that connection and forgotten with it. What clients say of themselves is no matter.
 *
 * Man pages: unix(7), socket(7), accept(2), pthreads(7), send(2), umask(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONGEST = 100, STACK = 64 * 1024 }; /* bytes of a request, without its end */

struct client {
    int fd;    /* -1: it has gone */
    uid_t uid; /* of whoever connected */
    size_t length;
    bool too_long;
    char request[LONGEST + 1];
};

static char value[LONGEST + 1] = "nothing";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the value */

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

/* Waits for room, if need be: nobody but this client is kept waiting. */
static void answer(struct client *client, const char *word, const char *more)
{
    char line[LONGEST + 16];
    int length = snprintf(line, sizeof line, "%s%s\n", word, more);
    if (send(client->fd, line, (size_t)length, MSG_NOSIGNAL) != length)
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
        char now[sizeof value];
        pthread_mutex_lock(&lock);
        strcpy(now, value);
        pthread_mutex_unlock(&lock);
        answer(client, "value ", now);
    } else if (strncmp(request, "i-am ", 5) == 0) {
        answer(client, "ok", ""); /* of the old protocol: nice to hear, and no reason for anything */
    } else if (strncmp(request, "set ", 4) != 0 && strcmp(request, "stop") != 0) {
        answer(client, "unknown", "");
    } else if (!may_command(client)) {
        answer(client, "denied", "");
    } else if (strcmp(request, "stop") == 0) {
        answer(client, "ok", "");
        exit(0);
    } else {
        pthread_mutex_lock(&lock);
        strcpy(value, request + 4);
        pthread_mutex_unlock(&lock);
        answer(client, "ok", "");
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

static void *attend(void *given)
{
    struct client *client = given;
    char bytes[512];
    while (client->fd != -1) {
        ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
        if (n > 0)
            take(client, bytes, (size_t)n);
        else if (n == 0 || errno != EINTR)
            drop(client);
    }
    free(client);
    return NULL;
}

/* What is known of whoever connected belongs to the thread that talks with that client, and ends with it. */
static void welcome(int fd)
{
    struct client *client = calloc(1, sizeof *client);
    struct ucred peer;
    socklen_t size = sizeof peer;
    pthread_attr_t about;
    pthread_t thread;

    if (client == NULL || pthread_attr_init(&about) != 0 || pthread_attr_setstacksize(&about, STACK) != 0 ||
        pthread_attr_setdetachstate(&about, PTHREAD_CREATE_DETACHED) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1)
        die("a client");
    client->fd = fd;
    client->uid = peer.uid;
    if (pthread_create(&thread, &about, attend, client) != 0) {
        drop(client); /* one more than there is room for */
        free(client);
    }
    pthread_attr_destroy(&about);
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
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    umask(0111);
    if (fd == -1 || bind(fd, (struct sockaddr *)&here, sizeof here) == -1 || listen(fd, SOMAXCONN) == -1)
        die(path);
    return fd;
}

static _Noreturn void serve_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd != -1)
            welcome(fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            die("accept4");
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
