/*
 * A network of one's own, with nothing in it: network_namespaces(7).
 *
 * Shown: no interface is up in a new network namespace, so not even 127.0.0.1 is reachable; the
 * root of the namespace raises its loopback and may take port 80; a service outside cannot be
 * reached by an abstract socket, for their names belong to the network namespace, but by a
 * socket in the file system it can, for that belongs to the mount namespace.
 *
 * As an ordinary user one needs a user namespace made in the same call: user_namespaces(7). Man
 * pages: netdevice(7), unix(7), ip(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DISCARD_PORT = 9, WEB_PORT = 80 };

static const char SOCKET_FILE[] = "service";

/* What the child inside found; the errors are 0 or an errno. */
struct report {
    int unshare;
    int up_first;
    int connect_first;
    int raise_loopback;
    int up_then;
    int connect_then;
    int bind_web;
    int abstract;
    int in_files;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case EINVAL: return "blocked (EINVAL)";
    case ENETUNREACH: return "blocked (ENETUNREACH)";
    case ENOSPC: return "blocked (ENOSPC)";
    case ENOSYS: return "blocked (ENOSYS)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another errno)";
    }
}

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

/* Smaller than PIPE_BUF, so it is written whole or not at all: pipe(7). */
static void send_report(int out, const struct report *report)
{
    if (write(out, report, sizeof *report) != (ssize_t)sizeof *report)
        die("write");
}

static void receive_report(int in, struct report *report)
{
    ssize_t got;
    do
        got = read(in, report, sizeof *report);
    while (got == -1 && errno == EINTR);
    if (got != (ssize_t)sizeof *report)
        _exit(1); /* the child said why on stderr */
}

static int open_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((in_port_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    return address;
}

/* An abstract name begins with a zero byte and has no file: unix(7). */
static socklen_t unix_address(struct sockaddr_un *address, bool abstract)
{
    const char *tag = getenv("ISOLAB_TAG");
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    char *name = address->sun_path + (abstract ? 1 : 0);
    int length = abstract ? snprintf(name, 100, "isolab-%s", tag != NULL ? tag : "by-hand")
                          : snprintf(name, 100, "%s", SOCKET_FILE) + 1;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (abstract ? 1U : 0U) +
                       (unsigned)length);
}

static int listen_at(bool abstract)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, abstract);
    int fd = open_socket(AF_UNIX, SOCK_STREAM);
    if (bind(fd, (struct sockaddr *)&address, length) == -1)
        die("bind");
    if (listen(fd, 4) == -1)
        die("listen");
    return fd;
}

static int try_unix(bool abstract)
{
    struct sockaddr_un address;
    socklen_t length = unix_address(&address, abstract);
    int fd = open_socket(AF_UNIX, SOCK_STREAM);
    int error = connect(fd, (struct sockaddr *)&address, length) == -1 ? errno : 0;
    close(fd);
    return error;
}

/* Nobody listens there. What differs is who says no: the network or the other end. */
static int try_loopback(void)
{
    struct sockaddr_in address = loopback(DISCARD_PORT);
    int fd = open_socket(AF_INET, SOCK_STREAM);
    int error = connect(fd, (struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
    close(fd);
    return error;
}

static int try_web_port(void)
{
    struct sockaddr_in address = loopback(WEB_PORT);
    int fd = open_socket(AF_INET, SOCK_STREAM);
    int error = bind(fd, (struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
    close(fd);
    return error;
}

static int interfaces_up(void)
{
    int up = 0, fd = open_socket(AF_INET, SOCK_DGRAM);
    struct if_nameindex *all = if_nameindex();
    if (all == NULL)
        die("if_nameindex");
    for (const struct if_nameindex *each = all; each->if_index != 0; each++) {
        struct ifreq request = {0};
        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", each->if_name);
        if (ioctl(fd, SIOCGIFFLAGS, &request) == -1)
            die("SIOCGIFFLAGS");
        up += (request.ifr_flags & IFF_UP) != 0;
    }
    if_freenameindex(all);
    close(fd);
    return up;
}

static int raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = open_socket(AF_INET, SOCK_DGRAM);
    int error = ioctl(fd, SIOCSIFFLAGS, &request) == -1 ? errno : 0;
    close(fd);
    return error;
}

static _Noreturn void be_inside(int out)
{
    struct report report = {0};
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1) {
        report.unshare = errno;
    } else {
        report.up_first = interfaces_up();
        report.connect_first = try_loopback();
        report.raise_loopback = raise_loopback();
        report.up_then = interfaces_up();
        report.connect_then = try_loopback();
        report.bind_web = try_web_port();
        report.abstract = try_unix(true);
        report.in_files = try_unix(false);
    }
    send_report(out, &report);
    _exit(0);
}

/* In a child: unshare() cannot be undone. */
static struct report look_from_inside(void)
{
    struct report report;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        be_inside(ends[1]);
    }
    close(ends[1]);
    receive_report(ends[0], &report);
    close(ends[0]);
    wait_for(pid);
    return report;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    int abstract = listen_at(true), in_files = listen_at(false);
    int abstract_outside = try_unix(true), in_files_outside = try_unix(false);
    struct report inside = look_from_inside();
    close(abstract);
    close(in_files);
    if (unlink(SOCKET_FILE) == -1)
        die(SOCKET_FILE);

    printf("{\"unshare\": \"%s\", ", verdict(inside.unshare));
    if (inside.unshare == 0) {
        printf("\"up_first\": %d, ", inside.up_first);
        printf("\"connect_first\": \"%s\", ", verdict(inside.connect_first));
        printf("\"raise_loopback\": \"%s\", ", verdict(inside.raise_loopback));
        printf("\"up_then\": %d, ", inside.up_then);
        printf("\"connect_then\": \"%s\", ", verdict(inside.connect_then));
        printf("\"bind_web\": \"%s\", ", verdict(inside.bind_web));
        printf("\"abstract_inside\": \"%s\", ", verdict(inside.abstract));
        printf("\"in_files_inside\": \"%s\", ", verdict(inside.in_files));
    }
    printf("\"abstract_outside\": \"%s\", ", verdict(abstract_outside));
    printf("\"in_files_outside\": \"%s\"}\n", verdict(in_files_outside));
    return 0;
}
