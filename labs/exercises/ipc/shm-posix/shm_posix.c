/*
 * The life of a POSIX shared memory object, from an empty name to a removed one.
 *
 *   shm_posix create   make the object, give it a size, leave a question in it, end
 *   shm_posix answer   a program with nothing in common but the name: answer, and try what it may
 *   shm_posix remove   read the answer, take the name away, look at what is left
 *
 * Shown: a new object has no size, then zeros; it outlives its maker; whoever opened it for reading
 * cannot map it for writing; whoever may write may shrink it under another's feet; a removed name
 * can be taken again and is then another object.
 *
 * Man pages: shm_overview(7), shm_open(3), ftruncate(2), mmap(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 128, QUESTION = 21 };

/* Whole numbers of the machine's own: both sides are programs of the same machine. */
struct board {
    int question;
    int answer;
};

static char name[NAME_SIZE];
static pid_t owner;

static void clean_up(void)
{
    shm_unlink(name);
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
    case EEXIST: return "blocked (EEXIST)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case EPERM: return "blocked (EPERM)";
    default: return "blocked (another error)";
    }
}

static void close_fd(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static int open_object(int flags)
{
    int fd = shm_open(name, flags, 0600);
    if (fd == -1)
        die("shm_open");
    return fd;
}

static off_t size_of(int fd)
{
    struct stat about;
    if (fstat(fd, &about) == -1)
        die("fstat");
    return about.st_size;
}

static void resize(int fd, off_t size)
{
    if (ftruncate(fd, size) == -1)
        die("ftruncate");
}

static struct board *map(int fd)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (board == MAP_FAILED)
        die("mmap");
    return board;
}

static void unmap(struct board *board)
{
    if (munmap(board, sizeof *board) == -1)
        die("munmap");
}

/* A child touches the memory, because whoever does so beyond the end of the object may die of it. */
static const char *touch(const struct board *board)
{
    int status;
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        int seen = *(const volatile int *)&board->question;
        _exit(seen == QUESTION ? 0 : 1);
    }
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGBUS ? "SIGBUS" : "another signal";
    return WEXITSTATUS(status) == 0 ? "the question" : "something else";
}

static void run_create(void)
{
    /* O_EXCL: an object somebody else put under this name must not be taken for ours. */
    int fd = open_object(O_RDWR | O_CREAT | O_EXCL);
    off_t first_size = size_of(fd);
    struct board *board = map(fd);
    const char *without_size = touch(board);
    resize(fd, sizeof *board);
    bool zeros = board->question == 0 && board->answer == 0;
    int again = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    const char *second = verdict(again == -1 ? errno : 0);
    if (again != -1)
        close_fd(again);
    board->question = QUESTION;
    unmap(board);
    close_fd(fd);
    printf("left the question %d under %s, and end\n", QUESTION, name);
    printf("{\"first_size\": %d, \"touch_without_size\": \"%s\", \"zeros\": %s, "
           "\"create_twice\": \"%s\"}\n",
           (int)first_size, without_size, json_bool(zeros), second);
}

/* mmap of a descriptor opened for reading only. */
static const char *map_for_writing(int fd)
{
    void *board = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (board == MAP_FAILED)
        return verdict(errno);
    unmap(board);
    return verdict(0);
}

static void run_answer(void)
{
    int reading = open_object(O_RDONLY);
    const char *writable = map_for_writing(reading);
    close_fd(reading);
    int fd = open_object(O_RDWR);
    struct board *board = map(fd);
    int question = board->question;
    const char *before = touch(board);
    resize(fd, 0); /* what a hostile partner could do at any time */
    const char *after = touch(board);
    resize(fd, sizeof *board);
    board->question = question;
    board->answer = 2 * question;
    unmap(board);
    close_fd(fd);
    printf("found the question %d of a program that has ended\n", question);
    printf("{\"outlives_creator\": %s, \"read_only_map_for_writing\": \"%s\", ",
           json_bool(question == QUESTION), writable);
    printf("\"touch\": \"%s\", \"touch_when_shrunk\": \"%s\"}\n", before, after);
}

static void run_remove(void)
{
    int fd = open_object(O_RDWR);
    struct board *board = map(fd);
    bool answered = board->answer == 2 * QUESTION;
    if (shm_unlink(name) == -1)
        die("shm_unlink");
    int other = open_object(O_RDWR | O_CREAT | O_EXCL); /* the same name, another object */
    bool another = size_of(other) == 0 && board->answer == 2 * QUESTION;
    close_fd(other);
    if (shm_unlink(name) == -1)
        die("shm_unlink");
    int gone = shm_open(name, O_RDWR, 0);
    const char *after = verdict(gone == -1 ? errno : 0);
    unmap(board);
    close_fd(fd);
    printf("{\"answered\": %s, \"name_reused_is_another\": %s, \"open_after_unlink\": \"%s\"}\n",
           json_bool(answered), json_bool(another), after);
}

int main(int argc, char *argv[])
{
    const char *tag = getenv("ISOLAB_TAG");
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    owner = getpid();
    int length = snprintf(name, sizeof name, "/isolab-life-%s", tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= (int)sizeof name) {
        fprintf(stderr, "ISOLAB_TAG is too long\n");
        return 1;
    }
    if (strcmp(what, "create") == 0) {
        run_create();
    } else if (strcmp(what, "answer") == 0) {
        run_answer();
    } else if (strcmp(what, "remove") == 0) {
        run_remove();
    } else {
        fprintf(stderr, "usage: %s create | answer | remove\n", argv[0]);
        return 1;
    }
    return 0;
}
