/*
 * Which capabilities are still there after execve?
 *
 *   kept           root, who becomes an ordinary user and executes itself in four ways
 *   kept look      what is executed: exit status 10 with CAP_CHOWN in force, 11 without
 *
 * Shown: for an ordinary user a permitted capability is lost by execve, an inheritable one as well,
 * unless the file has it too; an ambient one is kept. To be ambient it must be both. User id 0 gets
 * back what the bounding set allows.
 *
 * Man pages: capabilities(7), PR_CAP_AMBIENT(2const), PR_SET_KEEPCAPS(2const), execve(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ORDINARY = 12345, HAS_IT = 10, HAS_IT_NOT = 11 };

typedef struct __user_cap_header_struct cap_header;
typedef struct __user_cap_data_struct cap_sets[_LINUX_CAPABILITY_U32S_3];

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

static cap_header get_sets(cap_sets sets)
{
    cap_header header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    if (syscall(SYS_capget, &header, sets) == -1)
        die("capget");
    return header;
}

/* Permitted and effective, perhaps inheritable; CAP_CHOWN only. */
static void have_chown(bool inheritable)
{
    cap_sets sets;
    cap_header header = get_sets(sets);
    memset(sets, 0, sizeof sets);
    sets[0].permitted = sets[0].effective = CAP_TO_MASK(CAP_CHOWN);
    sets[0].inheritable = inheritable ? CAP_TO_MASK(CAP_CHOWN) : 0;
    if (syscall(SYS_capset, &header, sets) == -1)
        die("capset");
}

/* Without KEEPCAPS the change from root to another user id would empty all sets. */
static void become_ordinary(void)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
        die("PR_SET_KEEPCAPS");
    if (setresgid(ORDINARY, ORDINARY, ORDINARY) == -1 || setresuid(ORDINARY, ORDINARY, ORDINARY) == -1)
        die("setresuid");
}

static int raise_ambient(void)
{
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == -1 ? errno : 0;
}

static void stay_root(void)
{
    have_chown(false);
}

static void permitted_only(void)
{
    become_ordinary();
    have_chown(false);
}

static void inheritable_too(void)
{
    become_ordinary();
    have_chown(true);
}

static void ambient_too(void)
{
    inheritable_too();
    if (raise_ambient() != 0)
        die("PR_CAP_AMBIENT_RAISE");
}

static int look(void)
{
    cap_sets sets;
    get_sets(sets);
    return (sets[0].effective & CAP_TO_MASK(CAP_CHOWN)) != 0 ? HAS_IT : HAS_IT_NOT;
}

static const char *after_exec(void (*prepare)(void))
{
    char *const environment[] = {NULL};
    pid_t child = start_child();
    if (child == 0) {
        prepare();
        if (look() != HAS_IT)
            die("CAP_CHOWN is not there to begin with");
        execle("./kept", "kept", "look", (char *)NULL, environment);
        die("./kept");
    }
    int status = wait_for(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) < HAS_IT)
        _exit(1); /* it said why on stderr */
    return WEXITSTATUS(status) == HAS_IT ? "kept" : "lost";
}

static const char *ambient_without_inheritable(void)
{
    pid_t child = start_child();
    if (child == 0) {
        permitted_only();
        _exit(raise_ambient());
    }
    int status = wait_for(child);
    if (!WIFEXITED(status))
        _exit(1);
    return WEXITSTATUS(status) == 0       ? "allowed"
           : WEXITSTATUS(status) == EPERM ? "blocked (EPERM)"
                                          : "blocked (another errno)";
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "look") == 0)
        return look();
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("CAP_CHOWN before execve; and after?\n");
    printf("{\"permitted\": \"%s\", ", after_exec(permitted_only));
    printf("\"inheritable\": \"%s\", ", after_exec(inheritable_too));
    printf("\"ambient\": \"%s\", ", after_exec(ambient_too));
    printf("\"root\": \"%s\", ", after_exec(stay_root));
    printf("\"ambient_alone\": \"%s\"}\n", ambient_without_inheritable());
    return 0;
}
