/*
 * The hidden tests of the small container.
 *
 *   prober          the tests; prints what was observed
 *   prober WORD     a command for the container
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../box.h"
#include "outside.h"

extern char **environ;

enum { SPARE = 7, AWAIT_MS = 10 * 1000, PAUSE_MS = 5 };

/* Commands. */

/* Those that were there already: not the standard ones, nor that of the folder being read. */
static int count_descriptors(void)
{
    return count_entries("/proc/self/fd", false) - (STDERR_FILENO + 1) - 1;
}

static int count_environment(void)
{
    int count = 0;
    while (environ[count] != NULL)
        count++;
    return count;
}

static int look(void)
{
    printf("gid=%d entries=%d ", (int)getgid(), count_entries("/", false));
    printf("mounts=%d ", count_lines("/proc/self/mountinfo"));
    printf("environment=%d ", count_environment());
    printf("descriptors=%d\n", count_descriptors());
    return 0;
}

static pid_t fork_or_die(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

/* Waits for the end of the pipe that `in` reads from. */
static void wait_for_end(int in)
{
    char byte;
    while (read(in, &byte, 1) == -1)
        if (errno != EINTR)
            die("read");
}

/* A child that starts another, tells its number, and ends: that one is an orphan. */
static _Noreturn void be_parent_of_orphan(int tell, int ends[2])
{
    pid_t orphan = fork_or_die();
    if (orphan == 0) {
        close(ends[1]);
        wait_for_end(ends[0]);
        _exit(0);
    }
    if (write(tell, &orphan, sizeof orphan) != (ssize_t)sizeof orphan)
        die("write");
    _exit(0);
}

/* Makes an orphan that ends, and waits until nothing is left of it, not even a zombie. */
static int leave_orphan(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    int hold[2], number[2];
    pid_t orphan;

    if (pipe2(hold, O_CLOEXEC) == -1 || pipe2(number, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = fork_or_die();
    if (child == 0)
        be_parent_of_orphan(number[1], hold);
    if (read(number[0], &orphan, sizeof orphan) != (ssize_t)sizeof orphan)
        die("read");
    wait_for(child);
    close(hold[1]); /* now the orphan, who is one by now, may end */
    for (int waited = 0; waited < AWAIT_MS && kill(orphan, 0) == 0; waited += PAUSE_MS)
        nanosleep(&pause, NULL);
    printf("left=%d\n", kill(orphan, 0) == 0);
    return 0;
}

static _Noreturn void linger(void)
{
    puts("up");
    fflush(stdout);
    for (;;)
        pause();
}

static int be_command(const char *word)
{
    if (strcmp(word, "look") == 0)
        return look();
    if (strcmp(word, "orphan") == 0)
        return leave_orphan();
    if (strcmp(word, "linger") == 0)
        linger();
    if (strcmp(word, "call") == 0)
        return call_outside();
    if (strcmp(word, "terminate") == 0 && kill(getpid(), SIGTERM) == -1)
        die("kill");
    return 1;
}

/* Tests. */

static void leave_open(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1 || dup2(fd, SPARE) == -1)
        die("/");
}

/* The service is killed; the command's standard output is closed when it has gone as well. */
static bool ends_with_service(void)
{
    char line[LINE_ROOM];
    struct child child = start_boxed("./prober", "linger", NULL);
    hear_line(&child.out, line);
    if (kill(child.pid, SIGKILL) == -1)
        die("kill");
    struct pollfd end = {.fd = child.out.fd, .events = POLLIN};
    int known = poll(&end, 1, AWAIT_MS);
    if (known == -1)
        die("poll");
    end_child(&child); /* and a command that stays */
    return known == 1 && strcmp(line, "up") == 0;
}

static void show_outside(const struct outside_view *view)
{
    show_bool("same_user_outside", view->found && view->same_user);
    show_number("new_namespaces", view->new_namespaces);
    show_number("number_inside", view->number_inside);
    show_bool("user_mapped", view->user_mapped);
    show_bool("group_mapped", view->group_mapped);
    show_bool("setgroups_denied", view->setgroups_denied);
    show_bool("outside_mounts_same", view->same_mounts);
}

int main(int argc, char *argv[])
{
    if (argc == 2)
        return be_command(argv[1]);
    protect_tester();
    if (setenv("SECRET", "of the outside", 1) == -1)
        die("setenv");
    struct run seen = run_boxed("./prober", "look", leave_open);
    struct run orphan = run_boxed("./prober", "orphan", NULL);
    struct run terminated = run_boxed("./prober", "terminate", NULL);
    struct run missing = run_boxed("./missing", "word", NULL);
    struct outside_view view = look_from_outside();
    bool ends = ends_with_service();

    show_number("gid", number_of(seen.out, "gid"));
    show_number("entries", number_of(seen.out, "entries"));
    show_number("mounts", number_of(seen.out, "mounts"));
    show_number("descriptors", number_of(seen.out, "descriptors"));
    show_number("environment", number_of(seen.out, "environment"));
    show_number("orphans_left", number_of(orphan.out, "left"));
    show_text("terminated", terminated.ended);
    show_text("missing", missing.ended);
    show_outside(&view);
    show_bool("ends_with_service", ends);
    show_end();
    return 0;
}
