/*
 * SIGTERM asks, SIGKILL does not: what a program leaves behind in either case.
 *
 * A worker has a PID file, text in a stdio buffer, a locked file and a pipe. SIGTERM lets it clean
 * up, after which it ends by that same signal, so that its parent learns the truth. SIGKILL does
 * not; what the kernel keeps for a process it takes back, what the program made stays.
 *
 * Man pages: signal(7), kill(2), flock(2), sigwait(3), setvbuf(3), waitpid(2).
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

#define PID_FILE "worker.pid"
#define LOG_FILE "worker.log"
#define LOCK_FILE "worker.lock"

struct remains {
    bool ended_by_it, pid_file, log_text, lock_held, pipe_open;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static FILE *create(const char *name)
{
    FILE *file = fopen(name, "we");
    if (file == NULL)
        die(name);
    return file;
}

static int lock_file(void)
{
    int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1)
        die(LOCK_FILE);
    return fd;
}

/* To be ended by the signal after all: WTERMSIG tells the parent what exit(0) would hide. */
static _Noreturn void end_by(int number, const sigset_t *blocked)
{
    if (signal(number, SIG_DFL) == SIG_ERR || raise(number) != 0)
        die("raise");
    sigprocmask(SIG_UNBLOCK, blocked, NULL);
    _exit(1); /* not reached */
}

static _Noreturn void work(int ready)
{
    sigset_t set;
    int number;
    FILE *pid_file = create(PID_FILE);
    FILE *log = create(LOG_FILE);
    if (fprintf(pid_file, "%ld\n", (long)getpid()) < 0 || fclose(pid_file) == EOF)
        die(PID_FILE);
    if (setvbuf(log, NULL, _IOFBF, BUFSIZ) != 0 || fputs("half a day's work\n", log) == EOF)
        die(LOG_FILE);
    if (flock(lock_file(), LOCK_EX) == -1)
        die("flock");
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 || write(ready, "r", 1) != 1)
        die("getting ready");
    if (sigwait(&set, &number) != 0)
        die("sigwait");
    if (fclose(log) == EOF || unlink(PID_FILE) == -1)
        die("cleaning up");
    end_by(number, &set);
}

static bool log_has_text(void)
{
    FILE *log = fopen(LOG_FILE, "re");
    if (log == NULL)
        die(LOG_FILE);
    bool text = fgetc(log) != EOF;
    fclose(log);
    return text;
}

static bool lock_is_held(void)
{
    int fd = lock_file();
    bool held = flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

static struct remains examine(int status, int number, int pipe_end)
{
    struct remains left;
    char byte;
    left.ended_by_it = WIFSIGNALED(status) && WTERMSIG(status) == number;
    left.pid_file = access(PID_FILE, F_OK) == 0;
    left.log_text = log_has_text();
    left.lock_held = lock_is_held();
    left.pipe_open = read(pipe_end, &byte, 1) != 0;
    unlink(PID_FILE); /* there after SIGKILL only */
    if (unlink(LOG_FILE) == -1 || unlink(LOCK_FILE) == -1)
        die("unlink");
    return left;
}

static struct remains end_worker(int number)
{
    int ends[2], status;
    char byte;
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        close(ends[0]);
        work(ends[1]);
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        die("the worker did not start");
    if (!lock_is_held())
        die("the worker has no lock");
    if (kill(pid, number) == -1)
        die("kill");
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    struct remains left = examine(status, number, ends[0]);
    close(ends[0]);
    return left;
}

static const char *json(bool value)
{
    return value ? "true" : "false";
}

int main(void)
{
    struct remains term = end_worker(SIGTERM);
    struct remains killed = end_worker(SIGKILL);
    printf("after SIGTERM: PID file %d, text %d; after SIGKILL: PID file %d, text %d\n",
           term.pid_file, term.log_text, killed.pid_file, killed.log_text);
    printf("{\"term_seen_by_parent\": %s, \"term_pid_file\": %s, \"term_text\": \"%s\", ",
           json(term.ended_by_it), json(term.pid_file), term.log_text ? "written" : "lost");
    printf("\"kill_seen_by_parent\": %s, \"kill_pid_file\": %s, \"kill_text\": \"%s\", ",
           json(killed.ended_by_it), json(killed.pid_file), killed.log_text ? "written" : "lost");
    printf("\"kill_lock\": \"%s\", \"kill_pipe\": \"%s\"}\n",
           killed.lock_held ? "still held" : "released", killed.pipe_open ? "open" : "closed");
    return 0;
}
