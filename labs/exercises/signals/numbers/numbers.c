/*
 * The same names, other numbers: the signals of the architecture for which this was compiled.
 *
 * Shown: the numbers behind the names; what a program that says 10, 17 or 19 really says; how many
 * signals there are; the range left for real-time signals.
 *
 * Man pages: signal(7) "Signal numbering for standard signals", kill(1), sigrtmin(3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} SIGNALS[] = {
    {"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGILL", SIGILL},
    {"SIGTRAP", SIGTRAP}, {"SIGABRT", SIGABRT}, {"SIGBUS", SIGBUS},   {"SIGFPE", SIGFPE},
    {"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1}, {"SIGSEGV", SIGSEGV}, {"SIGUSR2", SIGUSR2},
    {"SIGPIPE", SIGPIPE}, {"SIGALRM", SIGALRM}, {"SIGTERM", SIGTERM}, {"SIGCHLD", SIGCHLD},
    {"SIGCONT", SIGCONT}, {"SIGSTOP", SIGSTOP}, {"SIGTSTP", SIGTSTP}, {"SIGTTIN", SIGTTIN},
    {"SIGTTOU", SIGTTOU}, {"SIGURG", SIGURG},   {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ},
    {"SIGVTALRM", SIGVTALRM}, {"SIGPROF", SIGPROF}, {"SIGWINCH", SIGWINCH}, {"SIGIO", SIGIO},
    {"SIGPWR", SIGPWR},   {"SIGSYS", SIGSYS},
};

enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof SIGNALS[0] };

static const char *name_of(int number)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (SIGNALS[i].number == number)
            return SIGNALS[i].name;
    return "another";
}

/* A program says 19 and means SIGSTOP. The child is stopped, or it ends. */
static const char *effect_of_19(void)
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        return "unavailable";
    if (pid == 0)
        for (;;)
            pause();
    if (kill(pid, 19) == -1)
        return "unavailable";
    while (waitpid(pid, &status, WUNTRACED) == -1)
        if (errno != EINTR)
            return "unavailable";
    if (!WIFSTOPPED(status))
        return WTERMSIG(status) == 19 ? "ended by it" : "ended otherwise";
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        continue;
    return "stopped";
}

int main(void)
{
    for (int i = 0; i < SIGNAL_COUNT; i++)
        printf("%2d %s\n", SIGNALS[i].number, SIGNALS[i].name);
    fflush(stdout); /* nothing buffered that fork() could print twice */
    const char *effect = effect_of_19();
    printf("{\"sigterm\": %d, \"sigkill\": %d, \"sigsegv\": %d, ", SIGTERM, SIGKILL, SIGSEGV);
    printf("\"sigusr1\": %d, \"sigusr2\": %d, \"sigchld\": %d, ", SIGUSR1, SIGUSR2, SIGCHLD);
    printf("\"sigcont\": %d, \"sigstop\": %d, \"sigbus\": %d, ", SIGCONT, SIGSTOP, SIGBUS);
    printf("\"number_10\": \"%s\", \"number_17\": \"%s\", \"number_19\": \"%s\", ", name_of(10),
           name_of(17), name_of(19));
    printf("\"effect_of_19\": \"%s\", \"highest\": %d}\n", effect, SIGRTMAX);
    return 0;
}
