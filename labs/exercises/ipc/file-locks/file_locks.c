/*
 * The file system as a means of communication: readers that see half a file, and who keeps whom out.
 *
 * Shown: rewriting a file in place lets a reader see half of it, renaming a new one over it does
 * not; flock() is advisory, belongs to the open file description and ends with it; a record lock
 * belongs to the process and is lost when it closes any descriptor of the file.
 * Pipes hold every process at the step where it should be, so nothing depends on time.
 *
 * Man pages: rename(2), open(2), flock(2), fcntl_locking(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 64 };

static const char FILE_NAME[] = "news";
static const char DRAFT_NAME[] = "news.draft";
static const char OLD[] = "old old old";
static const char NEW[] = "new new new";
static pid_t owner;

static void clean_up(void)
{
    unlink(FILE_NAME);
    unlink(DRAFT_NAME);
}

/* Names outlive processes: whoever fails takes them away first. */
static _Noreturn void die(const char *what)
{
    perror(what);
    if (getpid() == owner)
        clean_up();
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
    case EAGAIN: return "blocked (EAGAIN)";
    case EEXIST: return "blocked (EEXIST)";
    case ENOENT: return "blocked (ENOENT)";
    default: return "blocked (another error)";
    }
}

static void close_fd(int fd)
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

/* The status with which `child` ended. */
static int reap(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

/* One byte is less than PIPE_BUF, so it is written or not, never in part: pipe(7). */
static void tell(int fd)
{
    if (write(fd, "!", 1) != 1)
        die("write to pipe");
}

/* Waits for a byte; false if there is nobody left who could send one. */
static bool hear(int fd)
{
    char byte;
    ssize_t n;
    do
        n = read(fd, &byte, 1);
    while (n == -1 && errno == EINTR);
    if (n == -1)
        die("read from pipe");
    return n == 1;
}

static int open_file(const char *name, int flags)
{
    int fd = open(name, flags | O_CLOEXEC, 0600);
    if (fd == -1)
        die(name);
    return fd;
}

static void append(int fd, const char *text, size_t size)
{
    if (write(fd, text, size) != (ssize_t)size)
        die("write to file");
}

static void publish_old(void)
{
    int fd = open_file(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC);
    append(fd, OLD, strlen(OLD));
    close_fd(fd);
}

static const char *what_a_reader_sees(void)
{
    char text[ROOM];
    int fd = open_file(FILE_NAME, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n == -1)
        die("read file");
    text[n] = '\0';
    close_fd(fd);
    if (strcmp(text, OLD) == 0)
        return "old";
    return strcmp(text, NEW) == 0 ? "new" : "half";
}

/* The writer stops half-way, until the reader has looked. */
static _Noreturn void write_slowly(const char *name, int said, int go)
{
    int fd = open_file(name, O_WRONLY | O_CREAT | O_TRUNC);
    append(fd, NEW, strlen(NEW) / 2);
    tell(said);
    if (!hear(go))
        _exit(1);
    append(fd, NEW + strlen(NEW) / 2, strlen(NEW) - strlen(NEW) / 2);
    close_fd(fd);
    if (strcmp(name, FILE_NAME) != 0 && rename(name, FILE_NAME) == -1)
        die("rename");
    _exit(0);
}

/* `during` is what is seen half-way, `after` what is seen in the end. */
static void watch_writer(const char *name, const char **during, const char **after)
{
    int said[2], go[2];
    publish_old();
    open_pipe(said);
    open_pipe(go);
    pid_t child = start_child();
    if (child == 0) {
        close_fd(said[0]);
        close_fd(go[1]);
        write_slowly(name, said[1], go[0]);
    }
    close_fd(said[1]);
    close_fd(go[0]);
    if (!hear(said[0]))
        die("the writer failed");
    *during = what_a_reader_sees();
    tell(go[1]);
    if (reap(child) != 0)
        die("the writer failed");
    *after = what_a_reader_sees();
    close_fd(said[0]);
    close_fd(go[1]);
}

static int lock_flock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == -1 ? errno : 0;
}

static int lock_record(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole) == -1 ? errno : 0;
}

/* How locking ends in another process, which opens the file itself. */
static const char *locked_by_another(int (*lock)(int))
{
    pid_t child = start_child();
    if (child == 0)
        _exit(lock(open_file(FILE_NAME, O_RDWR)));
    int status = reap(child);
    return verdict(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

/* The same with the descriptor that the other process inherited. */
static const char *locked_with_inherited(int (*lock)(int), int fd)
{
    pid_t child = start_child();
    if (child == 0)
        _exit(lock(fd));
    int status = reap(child);
    return verdict(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

static const char *write_in_spite(void)
{
    pid_t child = start_child();
    if (child == 0)
        _exit(write(open_file(FILE_NAME, O_WRONLY), "X", 1) == 1 ? 0 : errno);
    int status = reap(child);
    return verdict(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

/* A library function that looks into the file, as anybody may, and closes its own descriptor. */
static void look_into_file(void)
{
    close_fd(open_file(FILE_NAME, O_RDONLY));
}

/* The names of what is observed about one kind of lock. */
struct labels {
    const char *second;
    const char *inherited;
    const char *after_other_close;
    const char *after_close;
};

static const struct labels OF_FLOCK = {
    "flock_second", "flock_inherited", "flock_after_other_close", "flock_after_close"};
static const struct labels OF_RECORD = {
    "record_second", "record_inherited", "record_after_other_close", "record_after_close"};

static void show_locks(const struct labels *labels, int (*lock)(int))
{
    int fd = open_file(FILE_NAME, O_RDWR);
    if ((errno = lock(fd)) != 0)
        die("lock");
    printf("\"%s\": \"%s\", ", labels->second, locked_by_another(lock));
    printf("\"%s\": \"%s\", ", labels->inherited, locked_with_inherited(lock, fd));
    look_into_file();
    printf("\"%s\": \"%s\", ", labels->after_other_close, locked_by_another(lock));
    close_fd(fd);
    printf("\"%s\": \"%s\", ", labels->after_close, locked_by_another(lock));
}

static void show_advisory(void)
{
    int fd = open_file(FILE_NAME, O_RDWR);
    if ((errno = lock_flock(fd)) != 0)
        die("flock");
    printf("\"write_in_spite_of_lock\": \"%s\"}\n", write_in_spite());
    close_fd(fd);
}

int main(void)
{
    const char *during, *after;
    owner = getpid(); /* children leave by _exit and print nothing of what is buffered here */
    watch_writer(FILE_NAME, &during, &after);
    printf("{\"in_place_half_way\": \"%s\", \"in_place_after\": \"%s\", ", during, after);
    watch_writer(DRAFT_NAME, &during, &after);
    printf("\"rename_half_way\": \"%s\", \"rename_after\": \"%s\", ", during, after);
    printf("\"draft_is_gone\": %s, ", json_bool(access(DRAFT_NAME, F_OK) == -1));
    show_locks(&OF_FLOCK, lock_flock);
    show_locks(&OF_RECORD, lock_record);
    show_advisory();
    clean_up();
    return 0;
}
