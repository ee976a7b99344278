/*
 * Hidden tests of the receiver, as root. It runs as the user who owns this folder, or as a
 * set-user-ID program that another user started would, so that the other may signal it.
 *
 * Senders are children of ours that become the user they are to be. What they send is put together by
 * themselves where the kernel lets them: rt_sigqueueinfo(2).
 *
 * Man pages: kill(2), rt_sigqueueinfo(2), tgkill(2), prctl(2) "PR_SET_CHILD_SUBREAPER", setresuid(2).
 */
#define _GNU_SOURCE 1
#include "../sender.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static uid_t owner, other;
static gid_t owner_group;
static pid_t parent; /* of the receiver: what a liar would say to be */

static void become(uid_t real, uid_t effective)
{
    if (setgroups(0, NULL) == 0 && setresgid(owner_group, owner_group, owner_group) == 0 &&
        setresuid(real, effective, effective) == 0)
        return;
    perror("becoming another user");
    _exit(255);
}

static void become_owner(void)
{
    become(owner, owner);
}

static void become_set_user_id(void)
{
    become(other, owner);
}

/* Signals as a careless parent may leave them. */
static void become_owner_ignoring(void)
{
    static const int NUMBERS[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (signal(NUMBERS[i], SIG_IGN) == SIG_ERR)
            die("signal");
    become_owner();
}

enum how { BY_KILL, BY_TGKILL, BY_QUEUE, BY_QUEUE_AS_TIMER };

static long send(pid_t target, int number, enum how how)
{
    siginfo_t info;
    if (how == BY_KILL)
        return kill(target, number);
    if (how == BY_TGKILL)
        return syscall(SYS_tgkill, target, target, number);
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = how == BY_QUEUE ? SI_QUEUE : SI_TIMER;
    info.si_pid = parent;
    info.si_uid = owner;
    return syscall(SYS_rt_sigqueueinfo, target, number, &info);
}

/* "sent", or why it was not. A sender that cannot become `uid` says so itself, and ends with 255. */
static void send_as(uid_t uid, pid_t target, int number, enum how how, char text[LINE_ROOM])
{
    pid_t sender = fork();
    if (sender == -1)
        cannot_start();
    if (sender == 0) {
        if (uid != 0)
            become(uid, uid);
        _exit(send(target, number, how) == 0 ? 0 : errno);
    }
    int status = wait_for(sender);
    if (status == 0)
        snprintf(text, LINE_ROOM, "sent");
    else if (WIFSIGNALED(status))
        snprintf(text, LINE_ROOM, "the sender was killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) == EPERM)
        snprintf(text, LINE_ROOM, "EPERM");
    else
        snprintf(text, LINE_ROOM, "not sent: %s", strerror(WEXITSTATUS(status)));
}

static void try_sender(struct child *receiver, const char *name, uid_t uid, int number, enum how how)
{
    char text[LINE_ROOM];
    send_as(uid, receiver->pid, number, how, text);
    if (strcmp(text, "sent") == 0)
        hear(receiver, text);
    show_text(name, text);
}

/* A signal without an answer. */
static void must_send(const struct child *receiver, int number)
{
    char text[LINE_ROOM];
    send_as(owner, receiver->pid, number, BY_KILL, text);
    if (strcmp(text, "sent") != 0)
        die(text);
}

/* Ends it, or what is left of it. */
static void finish(struct child *receiver, const char *name)
{
    char word[LINE_ROOM];
    send_as_parent(receiver, SIGTERM);
    hear(receiver, word);
    if (name != NULL)
        show_text(name, word);
    end_receiver(receiver, word);
}

static void try_users(void)
{
    char word[LINE_ROOM];
    struct child receiver = start_receiver(owner, become_owner, word);
    show_text("started_by_root", word);
    try_sender(&receiver, "step_by_owner", owner, SIGUSR1, BY_KILL);
    try_sender(&receiver, "step_by_root", 0, SIGUSR1, BY_KILL);
    try_sender(&receiver, "step_by_other", other, SIGUSR1, BY_KILL);
    try_sender(&receiver, "report_by_owner", owner, SIGUSR2, BY_KILL);
    try_sender(&receiver, "report_by_root", 0, SIGUSR2, BY_KILL);
    try_sender(&receiver, "report_by_other", other, SIGUSR2, BY_KILL);
    try_sender(&receiver, "end_by_root", 0, SIGTERM, BY_KILL);
    send_as_parent(&receiver, SIGUSR2);
    hear_and_show(&receiver, "report_by_parent_who_is_root");
    send_as_parent(&receiver, SIGUSR1);
    hear_and_show(&receiver, "step_by_parent_after_all");
    finish(&receiver, NULL);
}

static void try_set_user_id(void)
{
    char word[LINE_ROOM];
    struct child receiver = start_receiver(owner, become_set_user_id, word);
    try_sender(&receiver, "step_by_who_started_it", other, SIGUSR1, BY_KILL);
    try_sender(&receiver, "report_by_who_started_it", other, SIGUSR2, BY_KILL);
    try_sender(&receiver, "end_by_who_started_it", other, SIGTERM, BY_KILL);
    try_sender(&receiver, "lie_by_who_started_it", other, SIGUSR2, BY_QUEUE);
    finish(&receiver, NULL);
}

static void try_lies(void)
{
    char word[LINE_ROOM];
    struct child receiver = start_receiver(owner, become_owner, word);
    try_sender(&receiver, "step_queued_with_parents_number", owner, SIGUSR1, BY_QUEUE);
    try_sender(&receiver, "step_as_if_by_a_timer", owner, SIGUSR1, BY_QUEUE_AS_TIMER);
    try_sender(&receiver, "step_by_tgkill", owner, SIGUSR1, BY_TGKILL);
    try_sender(&receiver, "report_queued_by_root", 0, SIGUSR2, BY_QUEUE);
    try_sender(&receiver, "end_queued_with_parents_number", owner, SIGTERM, BY_QUEUE);
    finish(&receiver, "end_after_lies");
}

/* All that may be blocked or handled and means nothing here. The last answer tells that it lives. */
static void try_others(void)
{
    static const int NUMBERS[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGALRM, SIGPIPE, SIGPROF, SIGVTALRM, SIGXCPU,
                                  SIGXFSZ, SIGPOLL, SIGTRAP, SIGABRT, SIGFPE,  SIGSEGV, SIGTSTP,   SIGTTIN};
    char word[LINE_ROOM];
    struct child receiver = start_receiver(owner, become_owner, word);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        must_send(&receiver, NUMBERS[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number += 7)
        must_send(&receiver, number);
    send_as_parent(&receiver, SIGUSR1);
    hear_and_show(&receiver, "step_after_other_signals");
    finish(&receiver, NULL);
}

static void try_inherited(void)
{
    char word[LINE_ROOM];
    struct child receiver = start_receiver(owner, become_owner_ignoring, word);
    send_as_parent(&receiver, SIGUSR1);
    hear_and_show(&receiver, "step_when_ignored_before");
    finish(&receiver, "end_when_ignored_before");
}

/* The process that starts the receiver, tells us its number, and goes. We are the next parent. */
static _Noreturn void start_and_go(int ready, int tell, int out)
{
    char word[LINE_ROOM], byte;
    struct child receiver = start_receiver(owner, become_owner, word);
    if (write(tell, &receiver.pid, sizeof receiver.pid) != sizeof receiver.pid)
        die("write");
    send_as_parent(&receiver, SIGUSR1);
    hear(&receiver, word);
    strcat(word, "\n");
    if (write(out, word, strlen(word)) == -1)
        die("write");
    /* A relay stays behind, for it holds the other end of the receiver's output. */
    pid_t relay = fork();
    if (relay == -1)
        die("fork");
    if (relay != 0)
        _exit(0);
    while (read(ready, &byte, 1) == 1) {
        hear(&receiver, word);
        strcat(word, "\n");
        if (write(out, word, strlen(word)) == -1)
            die("write");
    }
    _exit(0);
}

static void try_orphan(void)
{
    int ready[2], tell[2], out[2];
    pid_t receiver;
    char line[LINE_ROOM];
    if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(tell, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t starter = fork();
    if (starter == -1)
        cannot_start();
    if (starter == 0) {
        close_end(&ready[1]);
        start_and_go(ready[0], tell[1], out[1]);
    }
    if (read(tell[0], &receiver, sizeof receiver) != sizeof receiver)
        die("read");
    struct source lines = open_source(out[0], receiver, ROOM);
    show_text("step_by_parent_before_it_goes", hear_line(&lines, line) ? line : "nothing");
    wait_for(starter); /* from here on its children are ours */
    if (kill(receiver, SIGUSR1) == -1 || write(ready[1], "n", 1) != 1)
        die("sending to the orphan");
    show_text("step_by_the_new_parent", hear_line(&lines, line) ? line : "nothing");
    if (kill(receiver, SIGTERM) == -1 || write(ready[1], "n", 1) != 1)
        die("sending to the orphan");
    show_text("end_by_the_new_parent", hear_line(&lines, line) ? line : "nothing");
    if (kill(receiver, SIGKILL) == -1)
        die("kill");
    wait_for(receiver);
    close_end(&ready[1]);
    close_source(&lines);
    wait_for(-1); /* the relay */
}

static void find_users(void)
{
    struct stat about;
    if (stat(".", &about) == -1)
        die("stat");
    owner = about.st_uid;
    owner_group = about.st_gid;
    other = owner + 1; /* whoever that is: neither the owner nor root */
    parent = getpid();
}

int main(void)
{
    protect_tester();
    find_users();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
        die("prctl");
    try_users();
    try_set_user_id();
    try_lies();
    try_others();
    try_inherited();
    try_orphan();
    show_end();
    return 0;
}
