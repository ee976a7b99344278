/*
 * A program that lends rights runs in surroundings that its caller made. What of them does the kernel clear, what the
 * C library, and what is left to the program? Three copies of one helper, started by an attacker:
 *
 *   place/plain      an ordinary program: the control
 *   place/setuid     set-user-ID root: root's user id, and all that comes with it
 *   place/capable    the same program with one file capability, CAP_KILL
 *   place/secret     root's, mode 0600; the other thing that is root's is the process that observes
 *   place/theirs/    the attacker's folder, on the PATH that the helper gets
 *
 * Runs as root. Man pages: execve(2), getauxval(3) (AT_SECURE), secure_getenv(3), ld.so(8), capabilities(7),
 * xattr(7), personality(2), PR_SET_PDEATHSIG(2const), kill(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "../attack.h"

enum { ATTACKER = 12345, REPORT = 77, ORDER = 78, LARGE_STACK = 64 << 20, SHORT_FILE = 4096 };

struct kind {
    const char *name;
    mode_t mode;
    bool capability;
};

static const struct kind KINDS[] = {{"plain", 0755, false}, {"setuid", 04755, false}, {"capable", 0755, true}};
static const char SECRET[] = "place/secret", LOG[] = "place/log", PROGRAM[] = "./lent";
/* One of them is there and takes the dynamic loader, in the images micro and debian. */
static const char *const DYNAMIC[] = {"/usr/sbin/dropbear", "/usr/bin/env"};

/* What one copy finds, and what may be done to it. The numbers are 0 or an errno. */
struct seen {
    int reads, kills, path, signalled, signalled_then;
    bool root, secure, variable, secure_variable, descriptor, message_in_file;
    bool large_stack, short_files, umask_kept, ignored, blocked, timer, parent_death, fixed_addresses, dumpable;
};

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

/* Signal 0 is judged like any other, and not sent: kill(2). */
static int try_signal(pid_t target)
{
    return kill(target, 0) == -1 ? errno : 0;
}

/* --- The helper ------------------------------------------------------------------------------------------------- */

/* The next file that is opened may become standard error, if the caller has closed that. */
static bool message_goes_into_file(void)
{
    static const char MESSAGE[] = "helper: no such entry\n";
    struct stat file;
    int fd = open(LOG, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        die(LOG);
    (void)!write(STDERR_FILENO, MESSAGE, sizeof MESSAGE - 1); /* to whatever that is now */
    if (fstat(fd, &file) == -1)
        die(LOG);
    close(fd);
    return file.st_size != 0;
}

/* A program by its name, looked for where the environment says. */
static int run_by_name(void)
{
    char target[16];
    snprintf(target, sizeof target, "%d", (int)getppid());
    pid_t child = start_child();
    if (child == 0) {
        execlp("greet", "greet", "--greet", target, (char *)NULL);
        _exit(errno);
    }
    return WEXITSTATUS(wait_for(child));
}

static rlim_t limit(int which)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) == -1)
        die("getrlimit");
    return limit.rlim_cur;
}

static void look_at_signals(struct seen *seen)
{
    struct sigaction action;
    struct itimerval timer;
    sigset_t mask;
    int number;
    if (sigaction(SIGUSR1, NULL, &action) == -1 || sigprocmask(SIG_BLOCK, NULL, &mask) == -1 ||
        getitimer(ITIMER_REAL, &timer) == -1 || prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0) == -1)
        die("signals");
    seen->ignored = action.sa_handler == SIG_IGN;
    seen->blocked = sigismember(&mask, SIGUSR2) == 1;
    seen->timer = timer.it_value.tv_sec > 0;
    seen->parent_death = number == SIGUSR2;
}

static int be_helper(void)
{
    struct seen seen = {.message_in_file = message_goes_into_file()};
    seen.root = geteuid() == 0;
    seen.secure = getauxval(AT_SECURE) != 0;
    seen.reads = try_open(SECRET, O_RDONLY);
    seen.kills = try_signal(getppid());
    seen.path = run_by_name();
    seen.variable = getenv("GREETING") != NULL;
    seen.secure_variable = secure_getenv("GREETING") != NULL;
    seen.descriptor = fcntl(REPORT, F_GETFD) != -1;
    seen.large_stack = limit(RLIMIT_STACK) == LARGE_STACK;
    seen.short_files = limit(RLIMIT_FSIZE) == SHORT_FILE;
    look_at_signals(&seen);
    seen.fixed_addresses = (personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0;
    seen.dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
    seen.umask_kept = umask(0) == 0;
    if (write(REPORT, &seen, sizeof seen) != (ssize_t)sizeof seen || !hear(ORDER))
        return 1;
    /* Real, effective and saved id: a program that has only a capability may not. */
    (void)!setresuid(0, 0, 0);
    tell(REPORT);
    return hear(ORDER) ? 1 : 0;
}

/* --- The attacker ----------------------------------------------------------------------------------------------- */

static void become_attacker(void)
{
    if (setgroups(0, NULL) == -1 || setresgid(ATTACKER, ATTACKER, ATTACKER) == -1 ||
        setresuid(ATTACKER, ATTACKER, ATTACKER) == -1)
        die("becoming the attacker");
}

static void limit_to(int which, rlim_t value)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) == -1)
        die("getrlimit");
    limit.rlim_cur = value;
    if (setrlimit(which, &limit) == -1)
        die("setrlimit");
}

static void make_surroundings(void)
{
    struct itimerval later = {.it_value = {.tv_sec = 3600}};
    sigset_t mask;
    umask(0);
    limit_to(RLIMIT_STACK, LARGE_STACK);
    limit_to(RLIMIT_FSIZE, SHORT_FILE);
    if (sigemptyset(&mask) == -1 || sigaddset(&mask, SIGUSR2) == -1 || sigprocmask(SIG_SETMASK, &mask, NULL) == -1 ||
        signal(SIGUSR1, SIG_IGN) == SIG_ERR || setitimer(ITIMER_REAL, &later, NULL) == -1 ||
        prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0) == -1)
        die("signals");
    (void)personality(ADDR_NO_RANDOMIZE); /* a container's filter refuses it: then it is not seen in any copy */
}

static _Noreturn void call_helper(const char *program, int report, int order)
{
    char *const environment[] = {"PATH=place/theirs", "GREETING=good morning", NULL};
    if (dup2(report, REPORT) == -1 || dup2(order, ORDER) == -1)
        die("dup2");
    become_attacker();
    make_surroundings();
    close(STDERR_FILENO);
    execle(program, program, "--helper", (char *)NULL, environment);
    _exit(1);
}

static int may_signal(pid_t target)
{
    pid_t child = start_child();
    if (child == 0) {
        become_attacker();
        _exit(try_signal(target));
    }
    return WEXITSTATUS(wait_for(child));
}

static struct seen try(const char *program)
{
    struct seen seen;
    int report[2], order[2];
    if (pipe2(report, O_CLOEXEC) == -1 || pipe2(order, O_CLOEXEC) == -1)
        die("pipe2");
    if (truncate(LOG, 0) == -1)
        die(LOG);
    pid_t helper = start_child();
    if (helper == 0)
        call_helper(program, report[1], order[0]);
    close(report[1]);
    close(order[0]);
    if (read(report[0], &seen, sizeof seen) != (ssize_t)sizeof seen)
        die(program);
    seen.signalled = may_signal(helper);
    tell(order[1]);
    if (!hear(report[0]))
        die(program);
    seen.signalled_then = may_signal(helper);
    close(order[1]);
    close(report[0]);
    if (wait_for(helper) != 0)
        die(program);
    return seen;
}

/* --- The dynamic loader ------------------------------------------------------------------------------------------ */

/* Who obeys LD_PRELOAD says that there is no such library. */
static bool loader_obeys(const char *program)
{
    char *const environment[] = {"LD_PRELOAD=./no-such-library.so", NULL}, said[4096];
    size_t length = 0;
    ssize_t got;
    int output[2];
    if (pipe2(output, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = start_child();
    if (child == 0) {
        become_attacker();
        if (dup2(output[1], STDOUT_FILENO) == -1 || dup2(output[1], STDERR_FILENO) == -1)
            die("dup2");
        execle(program, program, "-V", (char *)NULL, environment);
        die(program);
    }
    close(output[1]);
    while (length < sizeof said - 1 && (got = read(output[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(output[0]);
    wait_for(child);
    return strstr(said, "LD_PRELOAD") != NULL;
}

/* --- Setting up -------------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to, mode_t mode)
{
    char block[16384];
    ssize_t got;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in == -1 || out == -1)
        die(to);
    while ((got = read(in, block, sizeof block)) > 0)
        if (write(out, block, (size_t)got) != got)
            die(to);
    if (got == -1 || fchmod(out, mode) == -1 || close(out) == -1 || close(in) == -1)
        die(to);
}

static uint32_t little_endian(uint32_t value)
{
    const unsigned char bytes[] = {value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24};
    uint32_t stored;
    memcpy(&stored, bytes, sizeof stored);
    return stored;
}

/* What setcap(8) writes: xattr(7), struct vfs_cap_data. 0 or an errno. */
static int give_capability(const char *program)
{
    struct vfs_cap_data data = {.magic_etc = little_endian(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE)};
    data.data[0].permitted = little_endian(1u << CAP_KILL);
    return setxattr(program, "security.capability", &data, XATTR_CAPS_SZ_2, 0) == -1 ? errno : 0;
}

/* One's own file system where that may be: many are mounted with nosuid, which makes all copies alike. */
static void make_place(void)
{
    if (mkdir("place", 0755) == -1)
        die("place");
    if (unshare(CLONE_NEWNS) == 0 && (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
                                      mount("tmpfs", "place", "tmpfs", 0, "mode=0755,size=16m") == -1))
        die("the file system");
    if (mkdir("place/theirs", 0755) == -1 || chown("place/theirs", ATTACKER, ATTACKER) == -1)
        die("place/theirs");
    int secret = open(SECRET, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int log = open(LOG, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (secret == -1 || log == -1 || fchmod(log, 0666) == -1 || close(secret) == -1 || close(log) == -1)
        die("files");
    copy_file(PROGRAM, "place/theirs/greet", 0755);
}

static const char *a_dynamic_program(void)
{
    for (size_t i = 0; i < sizeof DYNAMIC / sizeof DYNAMIC[0]; i++)
        if (access(DYNAMIC[i], R_OK) == 0)
            return DYNAMIC[i];
    return NULL;
}

/* 0, or why the file has no capability. */
static int install(const char *from, const char *to, const struct kind *kind)
{
    copy_file(from, to, kind->mode);
    return kind->capability ? give_capability(to) : 0;
}

static const char *yes_or_no(bool value)
{
    return value ? "yes" : "no";
}

/* One line for each thing, with what the three copies found. */
static void show(const struct seen seen[3])
{
#define VERDICTS(what)                                                                                        \
    printf("\"%s\": \"%s / %s / %s\", ", #what, verdict(seen[0].what), verdict(seen[1].what), verdict(seen[2].what))
#define ANSWERS(what)                                                                                         \
    printf("\"%s\": \"%s / %s / %s\", ", #what, yes_or_no(seen[0].what), yes_or_no(seen[1].what), yes_or_no(seen[2].what))
    ANSWERS(root);
    VERDICTS(reads);
    VERDICTS(kills);
    ANSWERS(secure);
    ANSWERS(variable);
    ANSWERS(secure_variable);
    VERDICTS(path);
    ANSWERS(message_in_file);
    ANSWERS(descriptor);
    ANSWERS(short_files);
    ANSWERS(large_stack);
    ANSWERS(umask_kept);
    ANSWERS(ignored);
    ANSWERS(blocked);
    ANSWERS(timer);
    ANSWERS(parent_death);
    ANSWERS(fixed_addresses);
    ANSWERS(dumpable);
    VERDICTS(signalled);
    VERDICTS(signalled_then);
#undef VERDICTS
#undef ANSWERS
}

int main(int argc, char *argv[])
{
    enum { COPIES = sizeof KINDS / sizeof KINDS[0] };
    struct seen seen[COPIES];
    bool preload[COPIES] = {false};
    int setcap = 0;
    if (argc == 2 && strcmp(argv[1], "--helper") == 0)
        return be_helper();
    if (argc == 3 && strcmp(argv[1], "--greet") == 0)
        return try_signal((pid_t)strtol(argv[2], NULL, 10));
    make_place();
    const char *dynamic = a_dynamic_program();
    for (size_t i = 0; i < COPIES; i++) {
        char program[64], loaded[64];
        snprintf(program, sizeof program, "place/%s", KINDS[i].name);
        snprintf(loaded, sizeof loaded, "place/%s-dynamic", KINDS[i].name);
        setcap = install(PROGRAM, program, &KINDS[i]);
        seen[i] = try(program);
        if (dynamic != NULL && install(dynamic, loaded, &KINDS[i]) == 0)
            preload[i] = loader_obeys(loaded);
    }
    printf("{");
    show(seen);
    if (dynamic != NULL)
        printf("\"preload\": \"%s / %s / %s\", ", yes_or_no(preload[0]), yes_or_no(preload[1]), yes_or_no(preload[2]));
    printf("\"setcap\": \"%s\"}\n", verdict(setcap)); /* of the last copy */
    return 0;
}
