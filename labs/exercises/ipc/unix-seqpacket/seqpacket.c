/*
 * Sequenced packets: a connection, like a stream, that keeps boundaries, like datagrams.
 *
 * Shown: there is listen, connect and accept; each send is one receive; who reads too little loses
 * the rest of that packet only; the peer's end is seen as end-of-file, which an empty packet looks
 * like too; sending to a peer that has gone is EPIPE.
 *
 * Man pages: unix(7), socket(2), recv(2), send(2), accept(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char NAME[] = "packets.sock";
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
    case EPIPE: return "blocked (EPIPE)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case ECONNRESET: return "blocked (ECONNRESET)";
    case ENOTCONN: return "blocked (ENOTCONN)";
    case EPROTOTYPE: return "blocked (EPROTOTYPE)";
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

static struct sockaddr_un address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, NAME);
    return address;
}

static int unix_socket(int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

static int try_connect(int type, int *fd)
{
    struct sockaddr_un there = address();
    *fd = unix_socket(type);
    return connect(*fd, (struct sockaddr *)&there, sizeof there) == -1 ? errno : 0;
}

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        die("send");
}

static ssize_t receive(int fd, char *buffer, size_t size)
{
    ssize_t n;
    do
        n = recv(fd, buffer, size, 0);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        die("recv");
    return n;
}

/* Three packets, then two to be read badly, then an empty one, then the end. */
static _Noreturn void be_a_client(void)
{
    int fd;
    if (try_connect(SOCK_SEQPACKET, &fd) != 0)
        die("connect");
    send_text(fd, "one");
    send_text(fd, "three");
    send_text(fd, "seventeen");
    send_text(fd, "0123456789");
    send_text(fd, "next");
    send_text(fd, "");
    _exit(0);
}

struct seen {
    char sizes[32], next[16];
    bool empty_is_zero, end_is_zero;
};

static struct seen hear_client(int fd)
{
    struct seen seen;
    char buffer[64];

    memset(&seen, 0, sizeof seen);
    int first = (int)receive(fd, buffer, sizeof buffer);
    int second = (int)receive(fd, buffer, sizeof buffer);
    int third = (int)receive(fd, buffer, sizeof buffer);
    snprintf(seen.sizes, sizeof seen.sizes, "%d %d %d", first, second, third);
    receive(fd, buffer, 4); /* too little: the other six bytes are lost */
    receive(fd, seen.next, sizeof seen.next - 1);
    seen.empty_is_zero = receive(fd, buffer, sizeof buffer) == 0;
    seen.end_is_zero = receive(fd, buffer, sizeof buffer) == 0;
    return seen;
}

static int listen_here(void)
{
    struct sockaddr_un here = address();
    int fd = unix_socket(SOCK_SEQPACKET);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) == -1 || listen(fd, 4) == -1)
        die(NAME);
    return fd;
}

int main(void)
{
    int stranger;
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    int listener = listen_here();
    const char *as_stream = verdict(try_connect(SOCK_STREAM, &stranger));
    close_end(stranger);
    pid_t client = start_child();
    if (client == 0) {
        close_end(listener);
        be_a_client();
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        die("accept4");
    expect_success(client);
    struct seen seen = hear_client(fd);
    const char *gone = verdict(send(fd, "x", 1, MSG_NOSIGNAL) == -1 ? errno : 0);
    close_end(fd);
    close_end(listener);
    if (unlink(NAME) == -1)
        die(NAME);
    printf("packets of 3, 5 and 9 bytes came as %s; after a cut one: %s\n", seen.sizes, seen.next);

    printf("{\"sizes\": \"%s\", \"after_cut\": \"%s\", ", seen.sizes, seen.next);
    printf("\"empty_reads_zero\": %s, ", json_bool(seen.empty_is_zero));
    printf("\"end_reads_zero\": %s, ", json_bool(seen.end_is_zero));
    printf("\"peer_gone\": \"%s\", \"called_as_stream\": \"%s\"}\n", gone, as_stream);
    return 0;
}
