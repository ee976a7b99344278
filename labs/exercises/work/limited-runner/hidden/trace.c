/* Watches the runner under ptrace(2); see trace.h. */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    RUNNER = 0, /* the first of them */
    MAX_TRACED = 16,
    PAUSE_MS = 1,
    FOLLOW_MS = 30 * 1000, /* without anything to see */
    SURE = 20, /* so many looks in a row have to find it asleep */
    OPTIONS = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
              PTRACE_O_EXITKILL,
};

enum news { NOTHING_NEW, HAS_STOPPED, HAS_ENDED };

struct traced {
    pid_t pid;
    pid_t waits_for; /* held until that one has come as far as it can; 0 if it runs */
    int asleep;      /* looks in a row */
    bool arrived;    /* has executed something, or ended */
};

struct trace {
    struct traced of[MAX_TRACED];
    size_t count;
    char *path;
};

/* Called in the child, before it executes the runner: execve(2) will stop it. */
static void ask_for_trace(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
        die("PTRACE_TRACEME");
}

static void resume(pid_t pid, int signal)
{
    if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal) == -1 && errno != ESRCH)
        die("PTRACE_CONT");
}

static struct traced *find(struct trace *trace, pid_t pid)
{
    for (size_t i = 0; i < trace->count; i++)
        if (trace->of[i].pid == pid)
            return &trace->of[i];
    return NULL;
}

static struct traced *add(struct trace *trace, pid_t pid)
{
    if (trace->count == MAX_TRACED)
        return NULL;
    trace->of[trace->count] = (struct traced){.pid = pid};
    return &trace->of[trace->count++];
}

static void forked(struct trace *trace, struct traced *parent)
{
    unsigned long child;
    if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &child) == -1)
        die("PTRACE_GETEVENTMSG");
    pid_t parent_pid = parent->pid;
    if (find(trace, (pid_t)child) == NULL && add(trace, (pid_t)child) == NULL)
        resume(parent_pid, 0);
    else
        parent->waits_for = (pid_t)child;
}

static void executed(struct trace *trace, struct traced *who)
{
    if (trace->path[0] == '\0')
        group_of(who->pid, trace->path);
    who->arrived = true;
    resume(who->pid, 0);
}

static void stopped(struct trace *trace, struct traced *who, int status)
{
    int event = status >> 16, signal = WSTOPSIG(status);
    who->asleep = 0;
    if (event == PTRACE_EVENT_EXEC)
        executed(trace, who);
    else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
        forked(trace, who);
    else /* a new one begins with SIGSTOP, which is not meant for it */
        resume(who->pid, signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
}

/* What there is to hear of a process. It is not taken, for the runner's end is await_end()'s. */
static enum news news_of(pid_t pid)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == -1)
        return HAS_ENDED; /* ECHILD: its parent has taken it */
    if (info.si_pid == 0)
        return NOTHING_NEW;
    return info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED ? HAS_STOPPED : HAS_ENDED;
}

/* One look at a process. True if there was something to see. */
static bool look_at(struct trace *trace, struct traced *who)
{
    int status;
    if (who->waits_for != 0) {
        struct traced *child = find(trace, who->waits_for);
        if (child != NULL && !child->arrived && child->asleep < SURE)
            return false;
        who->waits_for = 0;
        resume(who->pid, 0);
        return true;
    }
    switch (news_of(who->pid)) {
    case NOTHING_NEW:
        /* Interruptible sleep: nobody is in it who is on his way. */
        who->asleep = process_state(who->pid) == 'S' ? who->asleep + 1 : 0;
        return false;
    case HAS_STOPPED:
        while (waitpid(who->pid, &status, __WALL) == -1)
            if (errno != EINTR)
                die("waitpid");
        stopped(trace, who, status);
        return true;
    default:
        who->arrived = true; /* whether it went so far or not */
        /* Its own parent hears of its end only after us, its tracer: ptrace(2). */
        return who != &trace->of[RUNNER] && waitpid(who->pid, &status, WNOHANG | __WALL) > 0;
    }
}

static void follow(struct trace *trace, pid_t runner)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    for (int silence = 0; silence < FOLLOW_MS; silence += PAUSE_MS) {
        if (news_of(runner) == HAS_ENDED)
            return;
        for (size_t i = 0; i < trace->count; i++)
            if (look_at(trace, &trace->of[i]))
                silence = 0;
        nanosleep(&pause, NULL);
    }
}

void group_at_exec(const char *program, const char *word, char path[GROUP_SIZE])
{
    struct trace trace = {.path = path};
    int status;

    path[0] = '\0';
    struct child child = start_limited(program, word, ask_for_trace);
    while (waitpid(child.pid, &status, __WALL) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFSTOPPED(status))
        die("the runner did not start");
    if (ptrace(PTRACE_SETOPTIONS, child.pid, NULL, (void *)(long)OPTIONS) == -1)
        die("PTRACE_SETOPTIONS");
    add(&trace, child.pid);
    resume(child.pid, 0);
    follow(&trace, child.pid);
    if (news_of(child.pid) != HAS_ENDED && kill(child.pid, SIGKILL) == -1)
        die("kill");
    finish(&child);
}
