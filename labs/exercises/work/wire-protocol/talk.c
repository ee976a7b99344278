/* Man pages: pipe(7), poll(2), prctl(2), setpgid(2), proc(5), waitpid(2). */
#define _GNU_SOURCE
#include "talk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END = 0, WRITE_END = 1, GLANCE_MS = 10, LOOK_MS = 200, PATIENCE_MS = 40000,
       MOST_PRINTED = 400 };

_Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

void get_ready(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    if (prctl(PR_SET_DUMPABLE, 0) == -1)
        die("prctl");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        die("signal");
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
}

static int ours(int end, int theirs)
{
    int flags = fcntl(end, F_GETFL);
    if (flags == -1 || fcntl(end, F_SETFL, flags | O_NONBLOCK) == -1 || close(theirs) == -1)
        die("fcntl");
    return end;
}

static _Noreturn void become(char *const argv[], int input, int output, int error)
{
    if (setpgid(0, 0) == -1 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        _exit(126);
    if (dup2(input, STDIN_FILENO) == -1 || dup2(output, STDOUT_FILENO) == -1 ||
        dup2(error, STDERR_FILENO) == -1)
        _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

void start(struct talk *talk, char *const argv[])
{
    int input[2], output[2], error[2];

    memset(talk, 0, sizeof *talk);
    make_pipe(input);
    make_pipe(output);
    make_pipe(error);
    talk->pid = fork();
    if (talk->pid == -1)
        die("fork");
    if (talk->pid == 0)
        become(argv, input[READ_END], output[WRITE_END], error[WRITE_END]);
    /* The child does the same; whoever comes first, the group is there. EACCES: it has become argv[0]. */
    if (setpgid(talk->pid, talk->pid) == -1 && errno != EACCES)
        die("setpgid");
    talk->input = ours(input[WRITE_END], input[READ_END]);
    talk->out.fd = ours(output[READ_END], output[WRITE_END]);
    talk->err.fd = ours(error[READ_END], error[WRITE_END]);
}

static void shut(int *fd)
{
    if (*fd != -1 && close(*fd) == -1)
        die("close");
    *fd = -1;
}

static void give_up(struct talk *talk)
{
    talk->given_up = true;
    (void)kill(-talk->pid, SIGKILL); /* ESRCH: nobody is left */
    shut(&talk->input);
    shut(&talk->out.fd);
    shut(&talk->err.fd);
}

/* False when it says too much. */
static bool listen_to(struct heard *heard)
{
    ssize_t n = read(heard->fd, heard->text + heard->length, OUTPUT_SIZE - heard->length);
    if (n > 0)
        heard->length += (size_t)n;
    else if (n == 0)
        shut(&heard->fd);
    else if (errno != EAGAIN && errno != EINTR)
        die("read");
    return heard->length < OUTPUT_SIZE;
}

/* State and process group of /proc/PID/stat; they follow the last ')', for a name may contain one. */
static bool look_at(const char *pid, char *state, long *group)
{
    char path[300], line[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false; /* it has just gone */
    bool got_line = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *end = got_line ? strrchr(line, ')') : NULL;
    return end != NULL && sscanf(end + 1, " %c %*d %ld", state, group) == 2;
}

static bool all_asleep(pid_t leader)
{
    struct dirent *entry;
    bool awake = false;
    DIR *processes = opendir("/proc");

    if (processes == NULL)
        die("/proc");
    while ((entry = readdir(processes)) != NULL) {
        char state;
        long group;
        if (!isdigit((unsigned char)entry->d_name[0]) || !look_at(entry->d_name, &state, &group))
            continue;
        if (group == leader && state != 'S' && state != 'Z')
            awake = true;
    }
    closedir(processes);
    return !awake;
}

/*
 * Poll until something happens. Only looks at which all of its processes sleep count as silence: on a busy
 * machine a program may want to say something for a long time before it is its turn. One that is never asleep
 * has until PATIENCE_MS.
 */
static int poll_until_silent(struct pollfd *ends, nfds_t count, pid_t leader)
{
    int ready = 0;

    for (int silent = 0, all = 0; ready == 0 && silent < SILENCE_MS && all < PATIENCE_MS; all += LOOK_MS) {
        ready = poll(ends, count, LOOK_MS);
        if (ready == -1 && errno == EINTR)
            ready = 0;
        if (ready == 0)
            silent = all_asleep(leader) ? silent + LOOK_MS : 0;
    }
    if (ready == -1)
        die("poll");
    return ready;
}

/* Whatever comes first: room in its input (if `speak`), something said, an end of either; or silence. */
static bool next_event(struct talk *talk, bool speak)
{
    struct pollfd ends[] = {
        {.fd = speak ? talk->input : -1, .events = POLLOUT, .revents = 0},
        {.fd = talk->out.fd, .events = POLLIN, .revents = 0},
        {.fd = talk->err.fd, .events = POLLIN, .revents = 0},
    };
    int ready = poll_until_silent(ends, 3, talk->pid);
    bool fine = true;

    if (ends[1].revents != 0)
        fine = listen_to(&talk->out);
    if (ends[2].revents != 0)
        fine = listen_to(&talk->err) && fine;
    if (ready == 0 || !fine)
        give_up(talk);
    return (ends[0].revents & (POLLOUT | POLLERR)) != 0;
}

bool say(struct talk *talk, const void *bytes, size_t length)
{
    const char *next = bytes;

    while (length > 0 && talk->input != -1) {
        if (!next_event(talk, true) || talk->input == -1)
            continue;
        ssize_t n = write(talk->input, next, length);
        if (n >= 0) {
            next += n;
            length -= (size_t)n;
        } else if (errno == EPIPE) {
            shut(&talk->input);
        } else if (errno != EAGAIN && errno != EINTR) {
            die("write");
        }
    }
    return length == 0;
}

/* Twice in a row: while the first look passes, one may wake another that was looked at already. */
void let_sleep(struct talk *talk)
{
    int in_a_row = 0;

    for (int waited = 0; waited < SILENCE_MS && in_a_row < 2; waited += GLANCE_MS) {
        in_a_row = all_asleep(talk->pid) ? in_a_row + 1 : 0;
        if (in_a_row < 2)
            poll(NULL, 0, GLANCE_MS);
    }
}

/* Whether it has ended; it stays there to be reaped, so that its number is nobody else's. */
static bool has_ended(struct talk *talk)
{
    siginfo_t about = {.si_pid = 0};
    int found;
    do
        found = waitid(P_PID, (id_t)talk->pid, &about, WEXITED | WNOHANG | WNOWAIT);
    while (found == -1 && errno == EINTR);
    if (found == -1)
        die("waitid");
    return about.si_pid == talk->pid;
}

void hang_up(struct talk *talk)
{
    bool ended = false;

    shut(&talk->input);
    while (talk->out.fd != -1 || talk->err.fd != -1)
        next_event(talk, false);
    for (int waited = 0; !ended && !talk->given_up && waited < SILENCE_MS; waited += GLANCE_MS) {
        ended = has_ended(talk);
        if (!ended)
            poll(NULL, 0, GLANCE_MS);
    }
    if (!ended)
        give_up(talk);
    (void)kill(-talk->pid, SIGKILL); /* what is left of its group */
    while (waitpid(talk->pid, &talk->status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

const char *how_it_ended(const struct talk *talk)
{
    static char words[40];
    if (talk->given_up)
        return "did not end";
    if (WIFSIGNALED(talk->status))
        snprintf(words, sizeof words, "killed by signal %d", WTERMSIG(talk->status));
    else
        snprintf(words, sizeof words, "exit %d", WEXITSTATUS(talk->status));
    return words;
}

void print_text(const char *name, const char *text, size_t length)
{
    printf("\"%s\": \"", name);
    if (length > 0 && text[length - 1] == '\n')
        length--;
    for (size_t i = 0; i < length && i < MOST_PRINTED; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            fputs(" / ", stdout);
        else
            putchar(c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? c : '!');
    }
    putchar('"');
}

void print_bytes(const char *name, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    printf("\"%s\": \"", name);
    for (size_t i = 0; i < length && i < MOST_PRINTED; i++)
        printf("%02x", byte[i]);
    putchar('"');
}
