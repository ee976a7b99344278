/*
 * A stream socket with a name in the file system.
 *
 *   stream serve    as the owner: listen, be called, leave the names behind
 *   stream knock    as another user: call at the names left
 *
 * Shown: the name is a file of type socket whose mode decides who may connect (write permission);
 * bytes flow both ways and writes run together; the name outlives its server, refuses callers then
 * and must be unlinked before it can be bound again.
 *
 * Man pages: unix(7), bind(2), connect(2), listen(2), umask(2), unlink(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char PUBLIC[] = "public.sock";   /* 0666 */
static const char PRIVATE[] = "private.sock"; /* 0600 */
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
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case EADDRINUSE: return "blocked (EADDRINUSE)";
    case ENOENT: return "blocked (ENOENT)";
    case EPERM: return "blocked (EPERM)";
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

static ssize_t read_some(int fd, void *buffer, size_t size)
{
    ssize_t n;
    do
        n = read(fd, buffer, size);
    while (n == -1 && errno == EINTR);
    return n;
}

/* One read() may return less than was asked for. */
static void read_exactly(int fd, void *buffer, size_t size)
{
    char *next = buffer;
    while (size > 0) {
        ssize_t n = read_some(fd, next, size);
        if (n <= 0)
            die("read");
        next += n;
        size -= (size_t)n;
    }
}

static void write_all(int fd, const void *buffer, size_t size)
{
    const char *next = buffer;
    while (size > 0) {
        ssize_t n = write(fd, next, size);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            die("write");
        next += n;
        size -= (size_t)n;
    }
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(name) >= sizeof address.sun_path)
        die(name);
    strcpy(address.sun_path, name);
    return address;
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

/* 0 and a bound socket in `fd`, or an errno. The umask applies to the name as to any file. */
static int try_bind(const char *name, mode_t mode, int *fd)
{
    struct sockaddr_un address = address_of(name);
    int error = 0;

    *fd = unix_socket();
    mode_t before = umask(0777 & ~mode);
    if (bind(*fd, (struct sockaddr *)&address, sizeof address) == -1)
        error = errno;
    umask(before);
    if (error != 0)
        close_end(*fd);
    return error;
}

static int listen_at(const char *name, mode_t mode)
{
    int fd;
    if (try_bind(name, mode, &fd) != 0 || listen(fd, 4) == -1)
        die(name);
    return fd;
}

static int try_connect(const char *name, int *fd)
{
    struct sockaddr_un address = address_of(name);
    int error = 0;

    *fd = unix_socket();
    if (connect(*fd, (struct sockaddr *)&address, sizeof address) == -1)
        error = errno;
    if (error != 0)
        close_end(*fd);
    return error;
}

static const char *call(const char *name)
{
    int fd, error = try_connect(name, &fd);
    if (error == 0)
        close_end(fd);
    return verdict(error);
}

/* The caller writes twice and then waits for an answer, so that both writes are there together. */
static _Noreturn void be_a_caller(void)
{
    char answer[3];
    int fd;

    if (try_connect(PRIVATE, &fd) != 0)
        die(PRIVATE);
    write_all(fd, "Hello, ", 7);
    write_all(fd, "socket!", 7);
    read_exactly(fd, answer, sizeof answer);
    _exit(memcmp(answer, "yes", sizeof answer) == 0 ? 0 : 1);
}

struct talk {
    int bytes_of_first_read;
    char text[32];
};

static void wait_for_bytes(int fd, int count)
{
    int waiting = 0;
    char byte;
    while (waiting < count) {
        if (recv(fd, &byte, 1, MSG_PEEK) != 1 && errno != EINTR)
            die("recv");
        if (ioctl(fd, FIONREAD, &waiting) == -1)
            die("FIONREAD");
    }
}

static struct talk serve_one(int listener)
{
    struct talk talk;

    memset(&talk, 0, sizeof talk);
    pid_t caller = start_child();
    if (caller == 0)
        be_a_caller();
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        die("accept4");
    wait_for_bytes(fd, 14);
    talk.bytes_of_first_read = (int)read_some(fd, talk.text, sizeof talk.text - 1);
    write_all(fd, "yes", 3);
    close_end(fd);
    expect_success(caller);
    return talk;
}

static mode_t mode_of(const char *name)
{
    struct stat found;
    if (stat(name, &found) == -1)
        die(name);
    return found.st_mode;
}

/* Who may only read the name may not connect to it, not even its owner. */
static const char *call_read_only(const char *name)
{
    if (chmod(name, 0444) == -1)
        die(name);
    const char *answer = call(name);
    if (chmod(name, 0600) == -1)
        die(name);
    return answer;
}

static const char *bind_again(const char *name, mode_t mode)
{
    int fd, error = try_bind(name, mode, &fd);
    if (error == 0)
        close_end(fd);
    return verdict(error);
}

static void serve(void)
{
    int private = listen_at(PRIVATE, 0600), public = listen_at(PUBLIC, 0666);
    bool is_socket = S_ISSOCK(mode_of(PRIVATE));
    unsigned mode = (unsigned)(mode_of(PRIVATE) & 07777);
    struct talk talk = serve_one(private);
    printf("the first read gave %d bytes: %s\n", talk.bytes_of_first_read, talk.text);
    const char *read_only = call_read_only(PRIVATE);
    close_end(private);
    close_end(public);
    const char *deserted = call(PRIVATE), *again = bind_again(PRIVATE, 0600);
    printf("the server gone: calling %s, binding again %s\n", deserted, again);
    if (unlink(PRIVATE) == -1)
        die(PRIVATE);
    const char *after_unlink = bind_again(PRIVATE, 0600);

    printf("{\"name_is_socket\": %s, \"mode\": \"%04o\", ", json_bool(is_socket), mode);
    printf("\"first_read\": %d, \"text\": \"%s\", ", talk.bytes_of_first_read, talk.text);
    printf("\"read_only_name\": \"%s\", \"deserted\": \"%s\", ", read_only, deserted);
    printf("\"bind_again\": \"%s\", \"bind_after_unlink\": \"%s\"}\n", again, after_unlink);
}

/* The permission is asked before the server: who is refused for that got past the mode. */
static void knock(void)
{
    const char *public = call(PUBLIC), *private = call(PRIVATE);
    printf("another user calls: public %s, private %s\n", public, private);
    printf("{\"other_public\": \"%s\", \"other_private\": \"%s\"}\n", public, private);
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (argc == 2 && strcmp(argv[1], "serve") == 0) {
        serve();
    } else if (argc == 2 && strcmp(argv[1], "knock") == 0) {
        knock();
    } else {
        fprintf(stderr, "usage: %s serve | knock\n", argv[0]);
        return 1;
    }
    return 0;
}
