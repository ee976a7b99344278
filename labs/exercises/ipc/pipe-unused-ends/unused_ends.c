/*
 * Ends of a pipe that nobody uses and somebody keeps.
 *
 * Shown: a reader sees end-of-file only when every descriptor of the write end is closed, also
 * those of the reader itself and of a bystander that forgot its copy. A writer learns that nobody
 * reads (SIGPIPE, EPIPE) only when every descriptor of the read end is closed.
 * The flaw, a forgotten descriptor, is made on purpose; that a reader waits is read from its state.
 *
 * Man pages: pipe(7), fork(2), signal(7), write(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, PATIENCE_MS = 60000 };
enum holder { NOBODY, READER_ITSELF, BYSTANDER };

struct bystander {
    pid_t pid;
    int orders; /* a byte here lets it go */
};

struct ending {
    bool waited;  /* the writer has gone and the reader waits all the same */
    bool ended;   /* then it saw end-of-file */
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

static const char *errno_name(int error)
{
    switch (error) {
    case EPIPE: return "EPIPE";
    case EAGAIN: return "EAGAIN";
    default: return "another error";
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

static void end_child(pid_t child)
{
    if (kill(child, SIGKILL) == -1)
        die("kill");
    wait_for(child);
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

/* Does nothing but hold one end, by having been forked while it was open. */
static struct bystander start_bystander(const int ends[2], int kept)
{
    int orders[2];
    make_pipe(orders);
    pid_t pid = start_child();
    if (pid == 0) {
        close_end(ends[1 - kept]);
        close_end(orders[WRITE_END]);
        hear(orders[READ_END]);
        _exit(0);
    }
    close_end(orders[READ_END]);
    return (struct bystander){.pid = pid, .orders = orders[WRITE_END]};
}

static void let_go(struct bystander bystander)
{
    tell(bystander.orders, 'g');
    close_end(bystander.orders);
    expect_success(bystander.pid);
}

/* Says 'b' when it has read the only byte there is, 'e' at end-of-file. */
static _Noreturn void read_to_end(int from, int words)
{
    char byte;
    ssize_t n;

    hear(from);
    tell(words, 'b');
    do
        n = read(from, &byte, 1);
    while (n == 1 || (n == -1 && errno == EINTR));
    tell(words, n == 0 ? 'e' : 'x');
    _exit(0);
}

static pid_t start_reader(const int ends[2], const int words[2], enum holder holder)
{
    pid_t reader = start_child();
    if (reader == 0) {
        if (holder != READER_ITSELF)
            close_end(ends[WRITE_END]);
        close_end(words[READ_END]);
        read_to_end(ends[READ_END], words[WRITE_END]);
    }
    return reader;
}

static struct ending write_and_leave(enum holder holder)
{
    struct ending ending = {false, false};
    struct bystander bystander = {-1, -1};
    int ends[2], words[2];

    make_pipe(ends);
    if (holder == BYSTANDER)
        bystander = start_bystander(ends, WRITE_END);
    make_pipe(words);
    pid_t reader = start_reader(ends, words, holder);
    close_end(ends[READ_END]);
    close_end(words[WRITE_END]);
    tell(ends[WRITE_END], 'x');
    close_end(ends[WRITE_END]);
    if (hear(words[READ_END]) != 'b')
        die("the reader");
    if (holder != NOBODY)
        ending.waited = falls_asleep(reader) && silent(words[READ_END]);
    if (holder == BYSTANDER)
        let_go(bystander);
    if (holder == READER_ITSELF) { /* it would wait for itself for ever */
        end_child(reader);
    } else {
        ending.ended = hear(words[READ_END]) == 'e';
        expect_success(reader);
    }
    close_end(words[READ_END]);
    return ending;
}

/* The disposition and the mask are inherited, so neither can be taken for granted. */
static void set_sigpipe(void (*disposition)(int))
{
    sigset_t set;
    if (signal(SIGPIPE, disposition) == SIG_ERR)
        die("signal");
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) == -1)
        die("sigprocmask");
}

/* With `kept`, a bystander holds the read end and never reads. */
static const char *write_unread(bool kept)
{
    struct bystander bystander = {-1, -1};
    int ends[2];

    make_pipe(ends);
    if (kept)
        bystander = start_bystander(ends, READ_END);
    close_end(ends[READ_END]);
    ssize_t n = write(ends[WRITE_END], "x", 1);
    const char *answer = n == -1 ? errno_name(errno) : "written";
    close_end(ends[WRITE_END]);
    if (kept)
        let_go(bystander);
    return answer;
}

/* The default action of SIGPIPE ends the process, so a child takes the blow. */
static const char *die_unread(void)
{
    pid_t child = start_child();
    if (child == 0) {
        set_sigpipe(SIG_DFL);
        write_unread(false);
        _exit(0);
    }
    int status = wait_for(child);
    if (!WIFSIGNALED(status))
        return "nothing";
    return WTERMSIG(status) == SIGPIPE ? "SIGPIPE" : "another signal";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    struct ending closed = write_and_leave(NOBODY);
    struct ending own = write_and_leave(READER_ITSELF);
    struct ending other = write_and_leave(BYSTANDER);
    printf("all closed: end of file %s; own end kept: waits %s; a bystander's: waits %s\n",
           json_bool(closed.ended), json_bool(own.waited), json_bool(other.waited));
    const char *killed_by = die_unread();
    set_sigpipe(SIG_IGN);
    const char *alone = write_unread(false), *kept = write_unread(true);
    printf("writing unread: %s, or %s; a read end kept by a bystander: %s\n", killed_by, alone, kept);

    printf("{\"end_when_all_closed\": %s, ", json_bool(closed.ended));
    printf("\"waits_for_itself\": %s, ", json_bool(own.waited));
    printf("\"waits_for_bystander\": %s, ", json_bool(other.waited));
    printf("\"end_when_bystander_left\": %s, ", json_bool(other.ended));
    printf("\"unread_killed_by\": \"%s\", ", killed_by);
    printf("\"unread_ignored\": \"%s\", \"unread_end_kept\": \"%s\"}\n", alone, kept);
    return 0;
}
