/*
 * Hidden tests of the service, as root: the service runs as the user who owns this folder, and the
 * clients connect as that user, as another one, and as root.
 *
 * The kernel notes a client's effective user when it connects (unix(7), SO_PEERCRED), so for a
 * connection we become that user and are root again.
 *
 * Man pages: unix(7), seteuid(2), setgroups(2), kill(2), waitpid(2).
 */
#define _GNU_SOURCE 1
#include "../client.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/wait.h>

enum { REQUESTS = 1000, MOST_BLOCKS = 2000 };

static uid_t owner, other;
static gid_t owner_group;
static struct child service;

static void become_owner(void)
{
    umask(077); /* the socket is to be for everybody nevertheless */
    if (setgroups(0, NULL) == -1 || setgid(owner_group) == -1 || setuid(owner) == -1)
        die("becoming the owner");
}

static struct source call_as(uid_t uid)
{
    if (seteuid(uid) == -1)
        die("seteuid");
    struct source line = call_desk(&service);
    if (seteuid(0) == -1)
        die("seteuid");
    return line;
}

/* User ids differ between machines: says whose it is. */
static void show_user(const char *name, struct source *line)
{
    char answer[LINE_ROOM], *rest;
    ask(line, "whoami\n", answer);
    unsigned long uid = strncmp(answer, "uid ", 4) == 0 ? strtoul(answer + 4, &rest, 10) : 0;
    if (strncmp(answer, "uid ", 4) != 0 || *rest != '\0')
        show_text(name, answer);
    else if (uid == owner)
        show_text(name, "owner");
    else
        show_text(name, uid == other ? "other" : uid == 0 ? "root" : "somebody else");
}

static void try_each(void)
{
    struct source line = call_as(other);
    show_user("other_is", &line);
    ask_and_show(&line, "other_get", "get\n");
    ask_and_show(&line, "other_set", "set blue\n");
    close_source(&line);
    line = call_as(owner);
    show_user("owner_is", &line);
    ask_and_show(&line, "value_after_other", "get\n");
    ask_and_show(&line, "owner_set", "set red\n");
    close_source(&line);
    line = call_as(0);
    show_user("root_is", &line);
    ask_and_show(&line, "value_after_owner", "get\n");
    ask_and_show(&line, "root_set", "set green\n");
    close_source(&line);
}

static void try_claims(void)
{
    char request[LINE_ROOM], answer[LINE_ROOM];
    struct source line = call_as(other);
    ask_and_show(&line, "claim_root", "i-am 0\n");
    ask_and_show(&line, "set_after_claiming_root", "set blue\n");
    snprintf(request, sizeof request, "i-am %u\n", (unsigned)owner);
    ask(&line, request, answer);
    ask_and_show(&line, "set_after_claiming_owner", "set blue\n");
    show_user("is_after_claiming", &line);
    close_source(&line);
}

/* Both are connected, and ask in turn; then the one's place becomes free for the other. */
static void try_neighbours(void)
{
    struct source ours = call_as(owner), theirs = call_as(other);
    ask_and_show(&theirs, "other_beside_owner", "set blue\n");
    ask_and_show(&ours, "owner_beside_other", "set red\n");
    ask_and_show(&theirs, "other_after_owner", "set blue\n");
    close_source(&theirs);
    close_source(&ours);
    ours = call_as(owner);
    ask_and_show(&ours, "owner_before_other", "set red\n");
    (void)say(&ours, "set yel"); /* half a request is left in this place */
    close_source(&ours);
    theirs = call_as(other);
    ask_and_show(&theirs, "other_in_owners_place", "set blue\n");
    ask_and_show(&theirs, "value_in_owners_place", "get\n");
    close_source(&theirs);
}

static void try_pieces(void)
{
    char answer[LINE_ROOM], request[3 * LINE_ROOM] = "set ";
    struct source silent = call_as(other), half = call_as(other), line = call_as(owner);
    (void)say(&half, "g");
    ask_and_show(&line, "beside_silent_ones", "get\n");
    ask_and_show(&half, "in_two_parts", "et\n");
    ask_and_show(&line, "two_at_once", "get\nset grey\n");
    hear(&line, answer);
    show_text("second_of_two", answer);
    memset(request + 4, 'x', sizeof request - 6);
    strcpy(request + sizeof request - 2, "\n");
    ask_and_show(&line, "too_long", request);
    ask_and_show(&line, "value_after_too_long", "get\n");
    close_source(&silent);
    close_source(&half);
    close_source(&line);
}

/* While the service is stopped, a client asks and goes: the answer has nowhere to go. */
static void try_gone(void)
{
    int status;
    struct source going = call_as(other), line = call_as(owner);
    char answer[LINE_ROOM];
    ask(&going, "get\n", answer); /* now it is accepted */
    if (kill(service.pid, SIGSTOP) == -1)
        die("kill");
    while (waitpid(service.pid, &status, WUNTRACED) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFSTOPPED(status)) {
        service.reaped = true; /* it had ended, and has been waited for */
        return;
    }
    (void)say(&going, "get\nget\nget\n");
    close_source(&going);
    if (kill(service.pid, SIGCONT) == -1)
        die("kill");
    ask_and_show(&line, "after_one_went", "get\n");
    close_source(&line);
}

/* One client asks and asks and takes no answer; what the other hears meanwhile, at last. */
static void try_full(void)
{
    static char block[4 * REQUESTS + 1];
    char answer[LINE_ROOM];
    struct source greedy = call_as(other), line = call_as(owner);
    for (int i = 0; i < REQUESTS; i++)
        memcpy(block + 4 * i, "get\n", 5);
    for (int i = 0; i < MOST_BLOCKS && greedy.fd != -1; i++) {
        if (send(greedy.fd, block, sizeof block - 1, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno != EAGAIN)
            break; /* it was dropped, as it should be */
        ask(&line, "get\n", answer);
        if (strcmp(answer, "nothing") == 0)
            break;
    }
    ask_and_show(&line, "beside_one_that_does_not_read", "get\n");
    close_source(&greedy);
    close_source(&line);
}

static void try_stop(void)
{
    char answer[LINE_ROOM];
    struct source line = call_as(other);
    ask_and_show(&line, "other_stop", "stop\n");
    close_source(&line);
    line = call_as(owner);
    ask(&line, "stop\n", answer);
    show_text("owner_stop", answer);
    if (strcmp(answer, "ok") == 0) {
        await_end(&service);
        show_text("ended_by_owner", ending(&service));
    }
    close_source(&line);
}

static void find_users(void)
{
    struct stat about;
    if (stat(".", &about) == -1)
        die("stat");
    owner = about.st_uid;
    owner_group = about.st_gid;
    other = owner + 1; /* whoever that is: neither the owner nor root */
}

/* Something of somebody else's is at the path already. */
static void try_taken(void)
{
    char word[LINE_ROOM];
    struct stat about;
    int fd = open(DESK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || close(fd) == -1)
        die(DESK);
    struct child late = open_desk(become_owner, word);
    bool ready = strcmp(word, "ready") == 0;
    if (!ready)
        await_end(&late);
    bool refused = !ready && strncmp(ending(&late), "exit ", 5) == 0 && strcmp(ending(&late), "exit 0") != 0;
    show_text("taken_ended", refused ? "with an error" : "otherwise");
    show_text("taken", lstat(DESK, &about) == 0 && S_ISREG(about.st_mode) ? "untouched" : "replaced");
    close_desk(&late);
}

int main(void)
{
    char word[LINE_ROOM];
    protect_tester();
    find_users();
    if (unlink(DESK) == -1 && errno != ENOENT)
        die(DESK);
    try_taken();
    service = open_desk(become_owner, word);
    show_text("started_under_umask_077", word);
    try_each();
    try_claims();
    try_neighbours();
    try_pieces();
    try_gone();
    if (!service.reaped) {
        try_full();
        try_stop();
    }
    close_desk(&service);
    show_end();
    return 0;
}
