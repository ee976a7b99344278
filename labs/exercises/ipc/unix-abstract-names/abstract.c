/*
 * Socket names that are no files.
 *
 * Shown: a name that begins with a zero byte makes no file and has no mode, so the umask protects
 * nothing; everybody on the same network namespace may connect and see the name in /proc/net/unix;
 * whoever binds it first has it; it goes with its socket; from another network namespace it is not
 * there at all.
 *
 * Man pages: unix(7) (abstract), bind(2), network_namespaces(7), unshare(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1 };
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
    case EPERM: return "blocked (EPERM)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOSYS: return "blocked (ENOSYS)";
    case ENOSPC: return "blocked (ENOSPC)";
    case EUSERS: return "blocked (EUSERS)";
    case EACCES: return "blocked (EACCES)";
    case ECONNREFUSED: return "blocked (ECONNREFUSED)";
    case EADDRINUSE: return "blocked (EADDRINUSE)";
    case ENOENT: return "blocked (ENOENT)";
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

static const char *tag(void)
{
    const char *given = getenv("ISOLAB_TAG");
    return given != NULL ? given : "by-hand";
}

struct name {
    struct sockaddr_un address;
    socklen_t size;
};

/* The length counts here: all bytes after the first zero are the name, no zero ends it. */
static struct name abstract_name(void)
{
    struct name name = {.address = {.sun_family = AF_UNIX}};
    size_t length = strlen(tag());

    if (length > sizeof name.address.sun_path - 1)
        die("ISOLAB_TAG");
    memcpy(name.address.sun_path + 1, tag(), length);
    name.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    return name;
}

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        die("socket");
    return fd;
}

/* 0 and a bound socket in `fd`, or an errno. */
static int try_bind(int *fd)
{
    struct name name = abstract_name();
    int error = 0;

    *fd = unix_socket();
    mode_t before = umask(0777); /* a file made now would have mode 0000 */
    if (bind(*fd, (struct sockaddr *)&name.address, name.size) == -1)
        error = errno;
    umask(before);
    return error;
}

static int try_connect(void)
{
    struct name name = abstract_name();
    int fd = unix_socket();
    int error = connect(fd, (struct sockaddr *)&name.address, name.size) == -1 ? errno : 0;
    close_end(fd);
    return error;
}

static bool listed(void)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/net/unix", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *name = strchr(line, '@'); /* the zero byte is shown so */
        found = name != NULL && strstr(name, tag()) != NULL;
    }
    fclose(file);
    return found;
}

static bool is_a_file(void)
{
    struct stat ignored;
    return stat(tag(), &ignored) == 0;
}

struct elsewhere {
    int unshare_error, connect_error;
};

/* A network namespace takes CAP_SYS_ADMIN; in a user namespace of its own the child has it. */
static _Noreturn void call_from_elsewhere(int report_to)
{
    struct elsewhere seen = {0, 0};
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
        seen.unshare_error = errno;
    else
        seen.connect_error = try_connect();
    _exit(write(report_to, &seen, sizeof seen) == (ssize_t)sizeof seen ? 0 : 1);
}

static struct elsewhere elsewhere(void)
{
    struct elsewhere seen;
    int ends[2];

    make_pipe(ends);
    pid_t child = start_child();
    if (child == 0)
        call_from_elsewhere(ends[WRITE_END]);
    close_end(ends[WRITE_END]);
    if (read(ends[READ_END], &seen, sizeof seen) != (ssize_t)sizeof seen)
        die("the child's report");
    close_end(ends[READ_END]);
    expect_success(child);
    return seen;
}

int main(void)
{
    int listener, second;
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (try_bind(&listener) != 0 || listen(listener, 4) == -1)
        die("bind");
    bool file = is_a_file(), seen = listed();
    const char *connected = verdict(try_connect());
    const char *squatted = verdict(try_bind(&second));
    close_end(second);
    printf("bound under umask 0777: connecting %s, binding again %s\n", connected, squatted);
    struct elsewhere other = elsewhere();
    printf("another network namespace: %s\n", verdict(other.unshare_error));
    close_end(listener);
    const char *closed = verdict(try_connect());

    printf("{\"is_a_file\": %s, \"listed_for_all\": %s, ", json_bool(file), json_bool(seen));
    printf("\"connect\": \"%s\", \"bind_again\": \"%s\", ", connected, squatted);
    printf("\"connect_when_closed\": \"%s\", ", closed);
    printf("\"new_network\": \"%s\", ", verdict(other.unshare_error));
    printf("\"from_new_network\": \"%s\"}\n",
           other.unshare_error == 0 ? verdict(other.connect_error) : "unavailable");
    return 0;
}
