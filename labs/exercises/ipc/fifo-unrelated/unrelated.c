/*
 * A FIFO between processes that share nothing but its name.
 *
 *   unrelated meet     as the owner: two processes meet by name
 *   unrelated visit    as another user, later: what is still there?
 *
 * Shown: opening one end waits until somebody opens the other; O_NONBLOCK does not wait, and a
 * writer is then told that nobody reads (ENXIO); O_RDWR, which is Linux's own, never waits. A FIFO
 * stores nothing: what was written and not read is lost with the last descriptor, the name stays.
 *
 * Man pages: fifo(7), mkfifo(3), open(2), setsid(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, PATIENCE_MS = 60000 };

static const char NAME[] = "meeting";

/* One that opens the FIFO, and the pipe on which it says how far it is. */
struct visitor {
    pid_t pid;
    int words;
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
    case ENXIO: return "blocked (ENXIO)";
    case ENOENT: return "blocked (ENOENT)";
    case EAGAIN: return "blocked (EAGAIN)";
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

static bool silent(int words)
{
    struct pollfd waiting = {.fd = words, .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, 0) == 0;
}

/* The state letter of /proc/PID/stat; it follows the last ')', for a name may contain one. */
static char state_of(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        die(path);
    bool got_line = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *end = got_line ? strrchr(line, ')') : NULL;
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

/* No time is measured: the bound only keeps a program that is wrong from waiting for ever. */
static bool falls_asleep(pid_t pid)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (state_of(pid) == 'S')
            return true;
        poll(NULL, 0, 10);
    }
    return false;
}

static int open_waiting(int access)
{
    int fd;
    do
        fd = open(NAME, access | O_CLOEXEC);
    while (fd == -1 && errno == EINTR);
    if (fd == -1)
        die(NAME);
    return fd;
}

/* A session of its own and no descriptor of the FIFO: only the name leads there. */
static struct visitor start_visitor(int access)
{
    int words[2];
    make_pipe(words);
    pid_t pid = start_child();
    if (pid == 0) {
        close_end(words[READ_END]);
        if (setsid() == -1)
            die("setsid");
        tell(words[WRITE_END], 'b');
        int fd = open_waiting(access);
        tell(words[WRITE_END], 'o');
        if (access == O_WRONLY)
            tell(fd, '!');
        else
            tell(words[WRITE_END], hear(fd));
        _exit(0);
    }
    close_end(words[WRITE_END]);
    return (struct visitor){.pid = pid, .words = words[READ_END]};
}

static bool waits_in_open(struct visitor visitor)
{
    return hear(visitor.words) == 'b' && falls_asleep(visitor.pid) && silent(visitor.words);
}

static void leave(struct visitor visitor)
{
    close_end(visitor.words);
    expect_success(visitor.pid);
}

struct meeting {
    bool waited; /* who came first waited in open */
    bool met;    /* then both opens returned and the byte came through */
};

static struct meeting meet(int first_access, int second_access)
{
    struct meeting seen;
    struct visitor first = start_visitor(first_access);
    seen.waited = waits_in_open(first);
    struct visitor second = start_visitor(second_access);
    struct visitor reader = first_access == O_RDONLY ? first : second;
    seen.met = hear(second.words) == 'b' && hear(second.words) == 'o' && hear(first.words) == 'o' &&
               hear(reader.words) == '!';
    leave(first);
    leave(second);
    return seen;
}

static const char *try_open(int access)
{
    int fd = open(NAME, access | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return verdict(errno);
    close_end(fd);
    return "allowed";
}

/* Written and not read: it is there as long as somebody holds the FIFO open. */
static bool leave_a_note(void)
{
    int held = open_waiting(O_RDWR), waiting = 0;
    if (write(held, "note", 4) != 4)
        die("write");
    int second = open(NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (second == -1 || ioctl(second, FIONREAD, &waiting) == -1)
        die(NAME);
    close_end(second);
    close_end(held);
    return waiting == 4;
}

static const char *look_for_note(void)
{
    char note[8];
    int fd = open(NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return verdict(errno);
    ssize_t n = read(fd, note, sizeof note);
    int error = errno;
    close_end(fd);
    if (n > 0)
        return "still there";
    return n == 0 ? "gone" : verdict(error);
}

static void be_the_owner(void)
{
    mode_t before = umask(0);
    if (mkfifo(NAME, 0666) == -1)
        die(NAME);
    umask(before);
    struct meeting reader_first = meet(O_RDONLY, O_WRONLY), writer_first = meet(O_WRONLY, O_RDONLY);
    printf("who comes first waits in open: reader %s, writer %s\n", json_bool(reader_first.waited),
           json_bool(writer_first.waited));
    const char *reader = try_open(O_RDONLY), *writer = try_open(O_WRONLY), *both = try_open(O_RDWR);
    bool held = leave_a_note();

    printf("{\"reader_waits_in_open\": %s, \"writer_waits_in_open\": %s, ",
           json_bool(reader_first.waited), json_bool(writer_first.waited));
    printf("\"met\": %s, ", json_bool(reader_first.met && writer_first.met));
    printf("\"nonblocking_reader\": \"%s\", \"nonblocking_writer\": \"%s\", ", reader, writer);
    printf("\"read_write\": \"%s\", \"note_while_held\": %s}\n", both, json_bool(held));
}

static void visit(void)
{
    const char *note = look_for_note(), *writer = try_open(O_WRONLY);
    printf("another user, later: the note is %s\n", note);
    printf("{\"note_later\": \"%s\", \"other_writer\": \"%s\"}\n", note, writer);
}

int main(int argc, char *argv[])
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (argc == 2 && strcmp(argv[1], "meet") == 0) {
        be_the_owner();
    } else if (argc == 2 && strcmp(argv[1], "visit") == 0) {
        visit();
    } else {
        fprintf(stderr, "usage: %s meet | visit\n", argv[0]);
        return 1;
    }
    return 0;
}
