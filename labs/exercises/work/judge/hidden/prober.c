/*
 * Lets ./service judge hostile programs, and looks at what is left of them when it has ended.
 *
 * What is right is not known here. We are the subreaper, so what a judge leaves behind becomes ours.
 */
#include "../../support/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 8192, SHOWN = 200, INPUT = 3 << 20, LOOKS = 500 };

/* Milliseconds: a judge sleeps as long as the guest that it waits for may take. */
enum { JUDGES_SILENCE = 30 * 1000 };

/* Short ones must do for a program to begin what it is here for, on a machine fifty times slower. */
#define LONG "25000"
#define SHORT "2000"

/* As nohup(1) and careless parents leave it. The judge goes on; the program is to have its defaults. */
static void ignore_and_block(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (signal(SIGHUP, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) == -1)
        die("preparing signals");
}

static const struct question {
    const char *key;
    char *time, *output, *hostile;
    void (*prepare)(void); /* in the judge, before it begins */
} questions[] = {
    {"errors", LONG, "1000", "errors", NULL},
    {"abort", LONG, "1000", "abort", NULL},
    {"hangs_up", LONG, "1000", "hang-up", ignore_and_block},
    {"terminates", LONG, "1000", "terminate", ignore_and_block},
    {"suicide", LONG, "1000", "suicide", NULL},
    {"stops_itself", SHORT, "1000", "stop", NULL},
    {"sleeps", SHORT, "1000", "sleep", NULL},
    {"stubborn", SHORT, "1000", "stubborn", NULL},
    {"closes_output", SHORT, "1000", "silent", NULL},
    {"hog", LONG, "1000", "hog", NULL},
    {"hog_in_child", LONG, "1000", "hog-in-child", NULL},
    {"exactly", LONG, "20", "exactly", NULL},
    {"one_more", LONG, "20", "one-more", NULL},
    {"leaves_behind", LONG, "1000", "leave-behind", NULL},
    {"daemon", LONG, "1000", "daemon", NULL},
    {"tries", LONG, "1000", "try", NULL},
    {"parent", LONG, "1000", "parent", NULL},
    {"descriptors", LONG, "1000", "descriptors", NULL},
    {"environment", LONG, "1000", "environment", NULL},
    {"reads_all", LONG, "1000", "read", NULL},
    {"reads_nothing", LONG, "1000", "hello", NULL},
};

/* Kills whose parent we have become; gives how many these were. */
static int kill_children(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int found = 0;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        char path[64], line[512], state = 'Z';
        int parent = -1;
        pid_t pid = (pid_t)atoi(entry->d_name);
        snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
        FILE *stat = pid > 0 ? fopen(path, "re") : NULL;
        if (stat == NULL)
            continue;
        const char *after = fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
        fclose(stat);
        if (after == NULL || sscanf(after + 1, " %c %d", &state, &parent) != 2 || parent != (int)getpid())
            continue;
        found += state != 'Z';
        kill(pid, SIGKILL);
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

/* How many live on some time after the judge has ended. A death that has begun may take its time. */
static int left_behind(void)
{
    const struct timespec between = {0, 10000000};
    for (int look = 0; look < LOOKS; look++) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid == -1 && errno == ECHILD)
            return 0;
        if (pid == 0)
            nanosleep(&between, NULL);
    }
    int left = 0, more;
    while ((more = kill_children()) > 0) {
        left += more;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
    return left;
}

static struct child judge(const struct question *question, char *program)
{
    char *const argv[] = {"./service", question->time, "16384", question->output, "large",
                          "hello.txt", program, question->hostile, NULL};
    struct child child = start_child(argv, question->prepare, ROOM);
    child.silence = JUDGES_SILENCE;
    hear_out(&child);
    return child;
}

static void show(const char *key, const struct child *child, size_t most)
{
    if (strcmp(ending(child), "exit 0") == 0)
        show_bytes(key, child->out.text, child->out.length, most);
    else
        show_text(key, ending(child));
}

/* How many there were at a time is chance, but for the most; so only the first line is shown. */
static void explode(void)
{
    const struct question bomb = {"bomb", SHORT, "200", "bomb", NULL};
    struct child child = judge(&bomb, "./hostile");
    const char *line = memchr(child.out.text, '\n', child.out.length);
    size_t length = line == NULL ? child.out.length : (size_t)(line - child.out.text);
    show("bomb", &child, length);
    show_number("bomb_processes", line == NULL ? -1 : strtol(line, NULL, 10));
    end_child(&child);
    show_number("bomb_left", left_behind());
}

static void make_input(void)
{
    static char block[4096];
    memset(block, 'i', sizeof block);
    int fd = open("large", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int written = 0; written < INPUT; written += (int)sizeof block)
        if (fd == -1 || write(fd, block, sizeof block) != (ssize_t)sizeof block)
            die("large");
    close_end(&fd);
}

int main(void)
{
    const struct question nothing = {"not_there", LONG, "1000", "hello", NULL};
    protect_tester();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1 || setenv("SECRET", "of the judge", 1) == -1)
        die("preparing the judge");
    make_input();
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        struct child child = judge(&questions[i], "./hostile");
        show(questions[i].key, &child, SHOWN);
        if (strcmp(questions[i].key, "errors") == 0)
            show_bool("errors_heard", strstr(child.err.text, "xxxx") != NULL);
        end_child(&child);
        int left = left_behind();
        if (strcmp(questions[i].key, "leaves_behind") == 0)
            show_number("leaves_behind_left", left);
        else if (strcmp(questions[i].key, "daemon") == 0)
            show_number("daemon_left", left);
    }
    explode();
    struct child child = judge(&nothing, "./no-such-program");
    show("not_there", &child, SHOWN);
    end_child(&child);
    show_end();
    return 0;
}
