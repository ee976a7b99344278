/*
 * A set-user-ID program lends its owner's rights to whoever runs it, unless he renounced that.
 *
 *   gain place      (student) makes an open folder
 *   gain plant      (other) puts a set-user-ID copy of gain into it
 *   gain try        (student) executes the copy, with and without no_new_privs
 *   gain look       what is executed: exit status 10 if effective and real user differ, else 11
 *
 * Man pages: execve(2), PR_SET_NO_NEW_PRIVS(2const), chmod(2), statvfs(3), credentials(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACE "open-to-all"
#define COPY PLACE "/lent"

enum { GAINED = 10, NOT_GAINED = 11 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static void place(void)
{
    /* chmod, as the umask cuts what mkdir is asked for. */
    if (mkdir(PLACE, 0700) == -1 || chmod(PLACE, 0777) == -1)
        die(PLACE);
    printf("{\"placed\": true}\n");
}

static void copy(int from, int to)
{
    char block[4096];
    ssize_t got;
    while ((got = read(from, block, sizeof block)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1 || write(to, block, (size_t)got) != got)
            die("copy");
    }
}

/* Bit last: a write would take it away again. */
static void plant(void)
{
    int from = open("./gain", O_RDONLY | O_CLOEXEC);
    int to = open(COPY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (from == -1 || to == -1)
        die("open");
    copy(from, to);
    if (fchmod(to, 04755) == -1 || close(to) == -1 || close(from) == -1)
        die("fchmod");
    printf("{\"planted\": true}\n");
}

static bool renounce(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static int execute(bool renounced)
{
    char *const environment[] = {NULL};
    pid_t child = start_child();
    if (child == 0) {
        if (renounced && !renounce())
            die("no_new_privs");
        execle(COPY, "lent", "look", (char *)NULL, environment);
        die(COPY);
    }
    int status = wait_for(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) < GAINED)
        _exit(1); /* it said why on stderr */
    return WEXITSTATUS(status);
}

/* Where nothing was gained, what forbade it. */
static const char *result(int outcome, bool renounced, bool nosuid)
{
    if (outcome == GAINED)
        return "owner's rights";
    if (renounced)
        return "own rights (no_new_privs)";
    return nosuid ? "own rights (nosuid)" : "own rights";
}

static bool take_back_is_refused(void)
{
    pid_t child = start_child();
    if (child == 0) {
        bool done = renounce();
        _exit(done && prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1 && errno == EINVAL);
    }
    return WEXITSTATUS(wait_for(child)) == 1;
}

static void try(void)
{
    struct statvfs mount;
    struct stat file;
    if (statvfs(PLACE, &mount) == -1 || stat(COPY, &file) == -1)
        die("stat");
    bool at_start = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    bool nosuid = (mount.f_flag & ST_NOSUID) != 0;
    printf("{\"bit_is_set\": %s, ", json_bool((file.st_mode & S_ISUID) != 0));
    printf("\"nosuid_mount\": %s, ", json_bool(nosuid));
    printf("\"renounced_at_start\": %s, ", json_bool(at_start));
    printf("\"as_it_is\": \"%s\", ", result(execute(false), at_start, nosuid));
    printf("\"renounced\": \"%s\", ", result(execute(true), true, nosuid));
    printf("\"for_good\": %s}\n", json_bool(take_back_is_refused()));
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(what, "look") == 0)
        return geteuid() != getuid() ? GAINED : NOT_GAINED;
    if (strcmp(what, "place") == 0)
        place();
    else if (strcmp(what, "plant") == 0)
        plant();
    else
        try();
    return 0;
}
