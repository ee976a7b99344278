/*
 * Core dumps: the default action of SIGQUIT writes the memory of a process away.
 *
 * Shown: with RLIMIT_CORE at 0 the process ends without a core; a limit that somebody made hard
 * cannot be raised again, not even by who made it so; where core_pattern names a program, the limit does not count; a process
 * that is not dumpable leaves none in any case. What a core contains: exercise core-file.
 *
 * Man pages: core(5), signal(7), setrlimit(2), prctl(2) PR_SET_DUMPABLE, waitpid(2) WCOREDUMP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* '|' hands the core to a program, '@' (since Linux 6.16) to a socket, else it is a file. */
static const char *pattern_kind(void)
{
    int first;
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
    if (file == NULL)
        return "unavailable";
    first = fgetc(file);
    fclose(file);
    if (first == '|')
        return "a program";
    if (first == '@')
        return "a socket";
    return first == '\n' || first == EOF ? "nothing" : "a file";
}

/* The hard limit is lowered first: nobody gets back what he has given up. */
static const char *raise_the_limit(void)
{
    struct rlimit none = {0, 0}, limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_CORE, &none) == -1)
        die("setrlimit");
    if (setrlimit(RLIMIT_CORE, &limit) == 0)
        return "allowed";
    return errno == EPERM ? "blocked (EPERM)" : "blocked (another errno)";
}

static const char *describe(int status)
{
    if (!WIFSIGNALED(status))
        return "lived on";
    return WCOREDUMP(status) ? "ended, core dumped" : "ended, no core";
}

static const char *fate(int number, bool dumpable)
{
    int status;
    struct rlimit none = {0, 0};
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) == -1)
            die("preparing");
        raise(number);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return describe(status);
}

int main(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == -1)
        die("getrlimit");
    const char *quit = fate(SIGQUIT, true);
    const char *segv = fate(SIGSEGV, true);
    const char *term = fate(SIGTERM, true);
    const char *secretive = fate(SIGQUIT, false);
    printf("a core would go to %s; SIGQUIT: %s\n", pattern_kind(), quit);
    printf("{\"core_goes_to\": \"%s\", \"limit_is_0\": %s, \"raise_limit\": \"%s\", ",
           pattern_kind(), limit.rlim_cur == 0 ? "true" : "false",
           raise_the_limit());
    printf("\"quit\": \"%s\", \"segv\": \"%s\", \"term\": \"%s\", \"not_dumpable\": \"%s\"}\n",
           quit, segv, term, secretive);
    return 0;
}
