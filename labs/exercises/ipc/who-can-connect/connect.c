/*
 * A server of one user, and another user who wants in while it runs.
 *
 * Started by root, which becomes both users: the owner of this folder (the server) and a stranger,
 * the user with the next number.
 *
 * Shown: a pipe has no name and the stranger cannot reach it through /proc/PID/fd, while another
 * process of the same user can; FIFOs and socket files are guarded by their mode; abstract names,
 * TCP and UDP at 127.0.0.1 have none and let everybody in. A Unix socket at least tells its server
 * who came; TCP tells a port number.
 *
 * Man pages: proc(5), ptrace(2) (access mode checking), fifo(7), unix(7), ip(7), setresuid(2).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1 };

/* What the server offers, told to whoever comes: none of it is secret. */
struct offer {
    pid_t pid;
    int pipe_end; /* number of the read end in the server */
    in_port_t tcp_port, udp_port;
};

/* The server's descriptors. */
struct kept {
    int pipe[2], fifos[2], files[2], abstract, tcp, udp;
};

struct attempts {
    int pipe, fifo_open, fifo_private, file_open, file_private, abstract, tcp, udp;
};

struct knowledge {
    bool knows_uid;
    bool got_datagram;
};
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
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case ENOENT: return "blocked (ENOENT)";
    case ENXIO: return "blocked (ENXIO)";
    default: return "blocked (another error)";
    }
}

static void close_end(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
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

static void tell(int words, char word)
{
    ssize_t n;
    do
        n = write(words, &word, 1);
    while (n == -1 && errno == EINTR);
    if (n != 1)
        die("tell");
}

static char hear(int words)
{
    char word;
    ssize_t n;
    do
        n = read(words, &word, 1);
    while (n == -1 && errno == EINTR);
    if (n != 1)
        die("hear");
    return word;
}

static const char *tag(void)
{
    const char *given = getenv("ISOLAB_TAG");
    return given != NULL ? given : "by-hand";
}

static void become(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1)
        die("setresuid");
    /* Who changes its user is not dumpable and its /proc files are root's: prctl(2). An ordinary
     * server, started by its own user, is. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1)
        die("prctl");
}

static int new_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

static struct sockaddr_un file_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static socklen_t abstract_address(struct sockaddr_un *address)
{
    size_t length = strlen(tag());
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length > sizeof address->sun_path - 1)
        die("ISOLAB_TAG");
    memcpy(address->sun_path + 1, tag(), length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static struct sockaddr_in loopback(in_port_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* ---- the server ---- */

/* O_RDWR holds both ends, so that whoever opens it need not wait. */
static int offer_fifo(const char *name, mode_t mode)
{
    if (mkfifo(name, mode) == -1)
        die(name);
    int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd == -1)
        die(name);
    return fd;
}

static int offer_file(const char *name, mode_t mode)
{
    struct sockaddr_un address = file_address(name);
    int fd = new_socket(AF_UNIX, SOCK_STREAM);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1 || chmod(name, mode) == -1 ||
        listen(fd, 4) == -1)
        die(name);
    return fd;
}

static int offer_abstract(void)
{
    struct sockaddr_un address;
    socklen_t size = abstract_address(&address);
    int fd = new_socket(AF_UNIX, SOCK_STREAM);
    if (bind(fd, (struct sockaddr *)&address, size) == -1 || listen(fd, 4) == -1)
        die("abstract name");
    return fd;
}

static int offer_internet(int type, in_port_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = new_socket(AF_INET, type);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1 ||
        getsockname(fd, (struct sockaddr *)&address, &size) == -1)
        die("127.0.0.1");
    if (type == SOCK_STREAM && listen(fd, 4) == -1)
        die("listen");
    *port = address.sin_port;
    return fd;
}

static struct offer offer_all(struct kept *kept)
{
    struct offer offer = {.pid = getpid()};

    umask(0);
    make_pipe(kept->pipe);
    offer.pipe_end = kept->pipe[READ_END];
    kept->fifos[0] = offer_fifo("open.fifo", 0666);
    kept->fifos[1] = offer_fifo("private.fifo", 0600);
    kept->files[0] = offer_file("open.sock", 0666);
    kept->files[1] = offer_file("private.sock", 0600);
    kept->abstract = offer_abstract();
    kept->tcp = offer_internet(SOCK_STREAM, &offer.tcp_port);
    kept->udp = offer_internet(SOCK_DGRAM, &offer.udp_port);
    return offer;
}

/* The callers have come and gone; what the server can say about who it was. */
static struct knowledge look_at_callers(const struct kept *kept, uid_t stranger)
{
    struct knowledge knowledge = {false, false};
    struct ucred peer;
    socklen_t size = sizeof peer;
    char byte;

    int fd = accept4(kept->abstract, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        die("accept4");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1)
        die("SO_PEERCRED");
    knowledge.knows_uid = peer.uid == stranger;
    knowledge.got_datagram = recv(kept->udp, &byte, 1, MSG_DONTWAIT) == 1;
    close_end(fd);
    return knowledge;
}

static void write_whole(int to, const void *bytes, size_t size)
{
    if (write(to, bytes, size) != (ssize_t)size)
        die("write");
}

/* The server's descriptors go with it; the sockets' and FIFOs' names it removes itself. */
static _Noreturn void serve(int answers, int orders, uid_t stranger)
{
    static const char *const names[] = {"open.fifo", "private.fifo", "open.sock", "private.sock"};
    struct kept kept;
    struct offer offer = offer_all(&kept);

    write_whole(answers, &offer, sizeof offer);
    hear(orders);
    struct knowledge knowledge = look_at_callers(&kept, stranger);
    write_whole(answers, &knowledge, sizeof knowledge);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (unlink(names[i]) == -1)
            die(names[i]);
    _exit(0);
}

/* ---- who comes ---- */

static int try_open(const char *path, int access)
{
    int fd = open(path, access | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close_end(fd);
    return 0;
}

static int try_pipe(const struct offer *offer)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)offer->pid, offer->pipe_end);
    return try_open(path, O_RDONLY);
}

static int try_connect(int family, int type, const void *address, socklen_t size)
{
    int fd = new_socket(family, type);
    int error = connect(fd, address, size) == -1 ? errno : 0;
    if (error == 0 && type == SOCK_DGRAM && send(fd, "x", 1, 0) == -1)
        error = errno;
    close_end(fd);
    return error;
}

static int try_file(const char *name)
{
    struct sockaddr_un address = file_address(name);
    return try_connect(AF_UNIX, SOCK_STREAM, &address, sizeof address);
}

static struct attempts try_all(const struct offer *offer)
{
    struct attempts tried;
    struct sockaddr_un hidden;
    socklen_t size = abstract_address(&hidden);
    struct sockaddr_in tcp = loopback(offer->tcp_port), udp = loopback(offer->udp_port);

    tried.pipe = try_pipe(offer);
    tried.fifo_open = try_open("open.fifo", O_RDONLY);
    tried.fifo_private = try_open("private.fifo", O_RDONLY);
    tried.file_open = try_file("open.sock");
    tried.file_private = try_file("private.sock");
    tried.abstract = try_connect(AF_UNIX, SOCK_STREAM, &hidden, size);
    tried.tcp = try_connect(AF_INET, SOCK_STREAM, &tcp, sizeof tcp);
    tried.udp = try_connect(AF_INET, SOCK_DGRAM, &udp, sizeof udp);
    return tried;
}

static struct attempts come_as(uid_t uid, gid_t gid, const struct offer *offer, bool only_pipe)
{
    struct attempts tried;
    int ends[2];

    make_pipe(ends);
    pid_t child = start_child();
    if (child == 0) {
        become(uid, gid);
        memset(&tried, 0, sizeof tried);
        if (only_pipe)
            tried.pipe = try_pipe(offer);
        else
            tried = try_all(offer);
        write_whole(ends[WRITE_END], &tried, sizeof tried);
        _exit(0);
    }
    close_end(ends[WRITE_END]);
    if (read(ends[READ_END], &tried, sizeof tried) != (ssize_t)sizeof tried)
        die("who came");
    close_end(ends[READ_END]);
    expect_success(child);
    return tried;
}

static void report(struct attempts stranger, int own_pipe, struct knowledge knowledge)
{
    printf("a stranger: pipe %s, abstract name %s, TCP %s\n", verdict(stranger.pipe),
           verdict(stranger.abstract), verdict(stranger.tcp));
    printf("{\"pipe\": \"%s\", \"pipe_same_user\": \"%s\", ", verdict(stranger.pipe),
           verdict(own_pipe));
    printf("\"fifo_0666\": \"%s\", \"fifo_0600\": \"%s\", ", verdict(stranger.fifo_open),
           verdict(stranger.fifo_private));
    printf("\"socket_0666\": \"%s\", \"socket_0600\": \"%s\", ", verdict(stranger.file_open),
           verdict(stranger.file_private));
    printf("\"abstract\": \"%s\", \"tcp\": \"%s\", ", verdict(stranger.abstract),
           verdict(stranger.tcp));
    printf("\"udp\": \"%s\", \"udp_arrived\": %s, ", verdict(stranger.udp),
           json_bool(knowledge.got_datagram));
    printf("\"unix_server_knows_uid\": %s}\n", json_bool(knowledge.knows_uid));
}

int main(void)
{
    struct stat folder;
    struct offer offer;
    struct knowledge knowledge;
    int answers[2], orders[2];
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (stat(".", &folder) == -1 || folder.st_uid == 0) {
        fprintf(stderr, "start it as root in a folder of an ordinary user\n");
        return 1;
    }
    uid_t owner = folder.st_uid, stranger = owner + 1;
    gid_t group = folder.st_gid;
    make_pipe(answers);
    make_pipe(orders);
    pid_t server = start_child();
    if (server == 0) {
        close_end(answers[READ_END]);
        close_end(orders[WRITE_END]);
        become(owner, group);
        serve(answers[WRITE_END], orders[READ_END], stranger);
    }
    close_end(answers[WRITE_END]);
    close_end(orders[READ_END]);
    if (read(answers[READ_END], &offer, sizeof offer) != (ssize_t)sizeof offer)
        die("the server");
    struct attempts tried = come_as(stranger, group + 1, &offer, false);
    int own_pipe = come_as(owner, group, &offer, true).pipe;
    tell(orders[WRITE_END], 'g');
    if (read(answers[READ_END], &knowledge, sizeof knowledge) != (ssize_t)sizeof knowledge)
        die("the server");
    expect_success(server);
    close_end(answers[READ_END]);
    close_end(orders[WRITE_END]);
    report(tried, own_pipe, knowledge);
    return 0;
}
