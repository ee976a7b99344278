/*
 * Two users and root: who may signal whom, and who may not although he is root.
 *
 * Root starts a target for the student, and senders as student, as another user, as root, and as
 * root without CAP_KILL. Signal 0 checks without sending. Then the one exception: SIGCONT within a
 * session. And the set-user-ID case: a process is its real user's to signal.
 *
 * Man pages: kill(2), capabilities(7), capget(2), setresuid(2), credentials(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uid_t student, other;

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case ESRCH: return "blocked (ESRCH)";
    default: return "blocked (another errno)";
    }
}

/* Saved as well: with the saved user left at root, we could become root again. */
static void become(uid_t real, uid_t effective)
{
    if (setgroups(0, NULL) == -1 || setresgid(real, real, real) == -1 ||
        setresuid(real, effective, effective) == -1)
        die("changing the user");
}

static void drop_cap_kill(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets) == -1)
        die("capget");
    sets[CAP_TO_INDEX(CAP_KILL)].effective &= ~CAP_TO_MASK(CAP_KILL);
    sets[CAP_TO_INDEX(CAP_KILL)].permitted &= ~CAP_TO_MASK(CAP_KILL);
    if (syscall(SYS_capset, &header, sets) == -1)
        die("capset");
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return status;
}

struct target {
    uid_t real, effective;
    bool own_session;
};

static pid_t start_target(struct target what)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        if (what.own_session && setsid() == -1)
            die("setsid");
        become(what.real, what.effective);
        if (write(ends[1], "r", 1) != 1)
            die("write");
        for (;;)
            pause();
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        die("the target did not start");
    close(ends[0]);
    return pid;
}

enum sender { STUDENT, OTHER, ROOT, ROOT_WITHOUT_CAP_KILL };

/* A child that becomes the sender and tells by its exit status which errno it met. */
static const char *try(enum sender who, struct target what, int number)
{
    pid_t target = start_target(what);
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0) {
        if (who == ROOT_WITHOUT_CAP_KILL)
            drop_cap_kill();
        else if (who != ROOT)
            become(who == STUDENT ? student : other, who == STUDENT ? student : other);
        _exit(kill(target, number) == 0 ? 0 : errno);
    }
    int status = wait_for(pid);
    if (kill(target, SIGKILL) == -1)
        die("kill");
    wait_for(target);
    return WIFEXITED(status) ? verdict(WEXITSTATUS(status)) : "the sender failed";
}

int main(void)
{
    struct stat here;
    if (stat(".", &here) == -1)
        die("stat");
    student = here.st_uid; /* the folder is the student's */
    other = student + 1;
    struct target theirs = {student, student, false};
    struct target elsewhere = {student, student, true};
    struct target elevated = {other, student, false}; /* as a set-user-ID program of student's */

    printf("{\"student_to_student\": \"%s\", ", try(STUDENT, theirs, 0));
    fflush(stdout); /* nothing buffered that fork() could print twice */
    printf("\"other_to_student\": \"%s\", ", try(OTHER, theirs, 0));
    fflush(stdout);
    printf("\"root_to_student\": \"%s\", ", try(ROOT, theirs, 0));
    fflush(stdout);
    printf("\"root_without_cap_kill\": \"%s\", ", try(ROOT_WITHOUT_CAP_KILL, theirs, 0));
    fflush(stdout);
    printf("\"cont_same_session\": \"%s\", ", try(OTHER, theirs, SIGCONT));
    fflush(stdout);
    printf("\"cont_other_session\": \"%s\", ", try(OTHER, elsewhere, SIGCONT));
    fflush(stdout);
    printf("\"real_user_to_setuid\": \"%s\"}\n", try(OTHER, elevated, 0));
    return 0;
}
