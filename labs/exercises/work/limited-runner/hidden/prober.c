/*
 * The hidden tests of the limited runner.
 *
 *   prober          the tests; prints what was observed
 *   prober WORD     a command to be limited
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../limited.h"
#include "trace.h"

enum { GREEDY = 64 * MIB, FAR_TOO_MANY = 64, CLEAN_TRIES = 100 };

static pid_t fork_or_die(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

/* Commands. Each begins by waiting until it is in its group. */

/* A child of the command is too greedy; the command itself ends as it would have. */
static int mother(void)
{
    pid_t child = fork_or_die();
    if (child == 0) {
        touch(GREEDY);
        _exit(0);
    }
    wait_for(child);
    return 3;
}

/* Forks until it cannot, and prints how often it could. */
static int bomb(void)
{
    pid_t children[FAR_TOO_MANY];
    int count = 0;
    while (count < FAR_TOO_MANY) {
        pid_t child = fork();
        while (child == 0)
            pause();
        if (child == -1)
            break;
        children[count++] = child;
    }
    printf("%d\n", count);
    for (int i = 0; i < count; i++) {
        if (kill(children[i], SIGKILL) == -1)
            die("kill");
        wait_for(children[i]);
    }
    return 0;
}

/* Leaves a process behind that nobody waits for and that holds none of its descriptors. */
static int leave_stray(const char *path)
{
    if (fork_or_die() == 0) {
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
            close(fd);
        setsid();
        for (;;)
            pause();
    }
    puts(path);
    return 0;
}

/* Stays as long as its standard input is open. */
static int hold(const char *path)
{
    puts(path);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return 5;
}

static int be_command(const char *word)
{
    char path[GROUP_SIZE], swap[TEXT_SIZE];
    await_group(path);
    if (strcmp(word, "mother") == 0)
        return mother();
    if (strcmp(word, "bomb") == 0)
        return bomb();
    if (strcmp(word, "stray") == 0)
        return leave_stray(path);
    if (strcmp(word, "hold") == 0)
        return hold(path);
    if (strcmp(word, "kill-itself") == 0 && kill(getpid(), SIGKILL) == -1)
        die("kill");
    if (strcmp(word, "swap") == 0) {
        group_file(path, "memory.swap.max", swap);
        puts(strcmp(swap, "") == 0 || strcmp(swap, "0") == 0 ? "none" : "some");
    }
    return 0;
}

/* Tests. */

/* The first line, without its newline. */
static const char *first_line(char text[TEXT_SIZE])
{
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* Removes what a runner left, so that one mistake is seen once. */
static void clean(const char *path)
{
    char where[TEXT_SIZE + 64];
    snprintf(where, sizeof where, HIERARCHY "%s/cgroup.kill", path);
    int fd = open(where, O_WRONLY | O_CLOEXEC);
    if (fd == -1 || write(fd, "1", 1) != 1)
        die(where);
    close_end(&fd);
    snprintf(where, sizeof where, HIERARCHY "%s", path);
    for (int try = 0; rmdir(where) == -1 && try < CLEAN_TRIES; try++)
        usleep(10 * 1000); /* the last one may still be on its way out */
}

static void test_stray(void)
{
    char here[GROUP_SIZE];
    struct run run = run_limited("./prober", "stray");
    group_of(getpid(), here);
    first_line(run.out);
    bool own = run.out[0] == '/' && strcmp(run.out, here) != 0;
    bool gone = own && !group_exists(run.out);
    if (own && !gone)
        clean(run.out);
    show_bool("stray_gone", gone);
    show_text("stray_report", run.report);
}

static void test_two_at_once(void)
{
    char here[GROUP_SIZE], group[LINE_ROOM];
    struct child child = start_limited("./prober", "hold", NULL);
    hear_line(&child.out, group);
    struct run second = run_limited("./prober", "hold"), first = finish(&child);
    group_of(getpid(), here);
    first_line(second.out);
    bool apart = strcmp(group, second.out) != 0 && strcmp(group, here) != 0 &&
                 strcmp(second.out, here) != 0 && second.out[0] == '/';
    show_bool("two_groups", apart);
    show_text("first_report", first.report);
    show_text("second_report", second.report);
}

static void test_limits(void)
{
    struct run many = run_limited("./prober", "bomb");
    struct run swapped = run_limited("./prober", "swap");
    show_number("children", strtol(many.out, NULL, 10));
    show_text("swap", first_line(swapped.out));
}

static void test_reports(void)
{
    struct run killed = run_limited("./prober", "kill-itself");
    struct run mothers = run_limited("./prober", "mother");
    struct run missing = run_limited("./missing", "word");
    show_text("killed_report", killed.report);
    show_text("mother_report", mothers.report);
    show_text("missing_ended", missing.ended);
}

static void test_exec(void)
{
    char here[GROUP_SIZE], there[GROUP_SIZE];
    group_of(getpid(), here);
    group_at_exec("./prober", "nothing", there);
    show_bool("inside_at_exec", there[0] == '/' && strcmp(here, there) != 0);
}

static int count_groups(void)
{
    int count = 0;
    struct dirent *entry;
    DIR *folder = opendir(HIERARCHY);
    if (folder == NULL)
        die(HIERARCHY);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_type == DT_DIR && entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

int main(int argc, char *argv[])
{
    if (argc == 2)
        return be_command(argv[1]);
    protect_tester();
    int before = count_groups();
    test_exec();
    test_reports();
    test_limits();
    test_stray();
    test_two_at_once();
    show_number("groups_left", count_groups() - before);
    show_end();
    return 0;
}
