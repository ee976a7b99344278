/*
 * Shared memory: the same bytes in two processes, found by name or by inheritance.
 *
 *   shared_memory create   as the owner: share with a child, then leave two named objects behind
 *   shared_memory visit    as another user: try to open and read them
 *   shared_memory remove   as the owner: take the names away
 *
 * Shown: a MAP_SHARED mapping is the same memory in both processes, a MAP_PRIVATE one is a copy;
 * the name can go while the memory stays; the mode of the object decides who else gets in. The
 * older System V interface is shown by system_v.c.
 *
 * Man pages: shm_overview(7), shm_open(3), mmap(2), sem_overview(7), umask(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 128, QUESTION = 21 };

static const char TEXT[] = "left in shared memory";

/* Both processes see this; the semaphore in it says when `question` may be read. */
struct board {
    sem_t asked;
    int question;
    int answer;
    char text[64];
};

static char public_name[NAME_SIZE];
static char private_name[NAME_SIZE];
static pid_t owner; /* the process that removes the names when something goes wrong */

static _Noreturn void die(const char *what)
{
    perror(what);
    if (getpid() == owner) {
        shm_unlink(public_name);
        shm_unlink(private_name);
    }
    _exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case ENOENT: return "no such name (ENOENT)";
    default: return "blocked (another error)";
    }
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void name_object(char name[NAME_SIZE], const char *tag, const char *suffix)
{
    int length = snprintf(name, NAME_SIZE, "/isolab-shm-%s-%s", tag, suffix);
    if (length < 0 || length >= NAME_SIZE) {
        fprintf(stderr, "ISOLAB_TAG is too long\n");
        _exit(1);
    }
}

static struct board *map(int fd, int sharing)
{
    int flags = fd == -1 ? sharing | MAP_ANONYMOUS : sharing;
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (board == MAP_FAILED)
        die("mmap");
    return board;
}

static void unmap(struct board *board)
{
    if (munmap(board, sizeof *board) == -1)
        die("munmap");
}

/* O_EXCL: an object of this name that somebody else made first must not be taken for ours. */
static struct board *create(const char *name, mode_t mode)
{
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, mode);
    if (fd == -1)
        die(name);
    if (ftruncate(fd, sizeof(struct board)) == -1)
        die("ftruncate");
    struct board *board = map(fd, MAP_SHARED);
    if (close(fd) == -1) /* the mapping does not need the descriptor */
        die("close");
    return board;
}

static int remove_name(const char *name)
{
    return shm_unlink(name) == -1 ? errno : 0;
}

/* How opening `name` for reading and writing ends: 0 or an errno. */
static int try_open(const char *name)
{
    int fd = shm_open(name, O_RDWR, 0);
    if (fd == -1)
        return errno;
    if (close(fd) == -1)
        die("close");
    return 0;
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static void wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = ECHILD;
        die("the child failed");
    }
}

/* Shared memory brings no order of its own: the child waits for the semaphore before it reads. */
static _Noreturn void answer(struct board *board)
{
    while (sem_wait(&board->asked) == -1)
        if (errno != EINTR)
            die("sem_wait");
    board->answer = 2 * board->question;
    _exit(0);
}

/* Does the child's answer show up in the parent's mapping? */
static bool exchange(struct board *board)
{
    board->answer = 0;
    if (sem_init(&board->asked, 1, 0) == -1) /* 1: shared between processes */
        die("sem_init");
    pid_t child = start_child();
    if (child == 0)
        answer(board);
    board->question = QUESTION;
    if (sem_post(&board->asked) == -1)
        die("sem_post");
    wait_for(child);
    if (sem_destroy(&board->asked) == -1)
        die("sem_destroy");
    return board->answer == 2 * QUESTION;
}

/* Does a child's write reach the parent through `board`, whatever kind of mapping it is? */
static bool write_is_seen(struct board *board)
{
    board->answer = 0;
    pid_t child = start_child();
    if (child == 0) {
        board->answer = QUESTION;
        _exit(0);
    }
    wait_for(child);
    return board->answer == QUESTION;
}

static bool private_write_is_seen(void)
{
    struct board *board = map(-1, MAP_PRIVATE);
    bool seen = write_is_seen(board);
    unmap(board);
    return seen;
}

static void leave_text(struct board *board)
{
    memcpy(board->text, TEXT, sizeof TEXT);
    unmap(board);
}

/* Two objects stay behind for the visitor; `remove` takes them away. */
static void leave_objects(void)
{
    mode_t before = umask(0); /* the umask would turn 0666 into 0644 */
    leave_text(create(public_name, 0666));
    leave_text(create(private_name, 0600));
    umask(before);
}

static void run_create(void)
{
    owner = getpid();
    struct board *board = create(private_name, 0600);
    bool exchanged = exchange(board);
    if (remove_name(private_name) != 0)
        die("shm_unlink");
    const char *name_gone = verdict(try_open(private_name));
    bool still_shared = exchange(board);
    unmap(board);
    printf("the name is gone, the memory is still shared: %s\n", json_bool(still_shared));
    bool private_seen = private_write_is_seen();
    leave_objects();

    printf("{\"exchange\": %s, \"shared_after_unlink\": %s, \"open_after_unlink\": \"%s\", ",
           json_bool(exchanged), json_bool(still_shared), name_gone);
    printf("\"private_map_shared\": %s}\n", json_bool(private_seen));
}

/* What a visitor reads in the object, checked against what was left there. */
static bool reads_text(const char *name)
{
    struct stat about;
    int fd = shm_open(name, O_RDWR, 0);
    if (fd == -1)
        return false;
    /* The other side chooses the size; touching memory beyond it would raise SIGBUS. */
    if (fstat(fd, &about) == -1)
        die("fstat");
    bool same = false;
    if (about.st_size >= (off_t)sizeof(struct board)) {
        struct board *board = map(fd, MAP_SHARED);
        same = memcmp(board->text, TEXT, sizeof TEXT) == 0;
        unmap(board);
    }
    if (close(fd) == -1)
        die("close");
    return same;
}

static void run_visit(void)
{
    const char *private_open = verdict(try_open(private_name));
    const char *public_open = verdict(try_open(public_name));
    printf("another user opens: 0600 %s, 0666 %s\n", private_open, public_open);
    printf("{\"other_opens_private\": \"%s\", \"other_opens_public\": \"%s\", ", private_open,
           public_open);
    printf("\"other_reads_text\": %s}\n", json_bool(reads_text(public_name)));
}

static void run_remove(void)
{
    int public_error = remove_name(public_name);
    int private_error = remove_name(private_name);
    printf("{\"removed\": %s}\n", json_bool(public_error == 0 && private_error == 0));
}

int main(int argc, char *argv[])
{
    const char *tag = getenv("ISOLAB_TAG");
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    name_object(public_name, tag != NULL ? tag : "by-hand", "public");
    name_object(private_name, tag != NULL ? tag : "by-hand", "private");
    if (strcmp(what, "create") == 0) {
        run_create();
    } else if (strcmp(what, "visit") == 0) {
        run_visit();
    } else if (strcmp(what, "remove") == 0) {
        run_remove();
    } else {
        fprintf(stderr, "usage: %s create | visit | remove\n", argv[0]);
        return 1;
    }
    return 0;
}
