/*
 * A process in the container, as the outside sees it. It calls through a socket that it was given as
 * standard input, and the kernel adds who calls, translated into the receiver's namespaces.
 *
 * Man pages: unix(7) (SO_PASSCRED), proc(5) (ns, status, uid_map), user_namespaces(7).
 */
#include "outside.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../box.h"

enum { PATH_SIZE = 64, LINE_SIZE = 256, CALL_MS = 30 * 1000 };

static int call_end; /* what prepare() makes the standard input of the container */

static void give_socket(void)
{
    if (dup2(call_end, STDIN_FILENO) == -1)
        die("dup2");
}

int call_outside(void)
{
    char byte;
    if (send(STDIN_FILENO, "c", 1, MSG_NOSIGNAL) != 1)
        return 1;
    return recv(STDIN_FILENO, &byte, 1, 0) == 0 ? 0 : 1; /* the other side closes its end */
}

/* Who calls; false if nobody does within our patience. */
static bool receive_caller(int socket, struct ucred *caller)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct pollfd call = {.fd = socket, .events = POLLIN};

    memset(&control, 0, sizeof control);
    message.msg_control = control.room;
    message.msg_controllen = sizeof control.room;
    if (poll(&call, 1, CALL_MS) != 1 || recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
        return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_CREDENTIALS)
        return false;
    memcpy(caller, CMSG_DATA(header), sizeof *caller);
    return caller->pid > 0;
}

/* The first line of a file of the process that begins with `key`, after it; false if none does. */
static bool read_line(pid_t pid, const char *file, const char *key, char line[LINE_SIZE])
{
    char path[PATH_SIZE];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return false;
    while (!found && fgets(line, LINE_SIZE, stream) != NULL)
        found = strncmp(line, key, strlen(key)) == 0;
    fclose(stream);
    return found;
}

/* 0 inside is `id` outside, and the map has this one line. */
static bool maps_only(pid_t pid, const char *file, unsigned id)
{
    char line[LINE_SIZE], path[PATH_SIZE];
    unsigned inside, outside, count;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return count_lines(path) == 1 && read_line(pid, file, "", line) &&
           sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
           outside == id && count == 1;
}

static bool same_namespace(pid_t pid, const char *kind)
{
    char path[PATH_SIZE], ours[PATH_SIZE] = "", theirs[PATH_SIZE] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    if (readlink(path, ours, sizeof ours - 1) == -1)
        die(path);
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kind);
    if (readlink(path, theirs, sizeof theirs - 1) == -1)
        perror(path);
    return theirs[0] == '\0' || strcmp(ours, theirs) == 0;
}

/* The last of the numbers that a process has, one for each PID namespace it is in: proc(5), NSpid. */
static long number_inside(pid_t pid)
{
    char line[LINE_SIZE];
    if (!read_line(pid, "status", "NSpid:", line))
        return -1;
    const char *last = strrchr(line, '\t');
    return last != NULL && last != strchr(line, '\t') ? strtol(last, NULL, 10) : -1;
}

static void look_at(const struct ucred *caller, struct outside_view *view)
{
    static const char *const KINDS[] = {"user", "pid", "mnt", "uts"};
    char line[LINE_SIZE];
    view->found = true;
    view->same_user = caller->uid == getuid();
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        view->new_namespaces += !same_namespace(caller->pid, KINDS[i]);
    view->number_inside = number_inside(caller->pid);
    view->user_mapped = maps_only(caller->pid, "uid_map", getuid());
    view->group_mapped = maps_only(caller->pid, "gid_map", getgid());
    view->setgroups_denied = read_line(caller->pid, "setgroups", "deny", line);
}

struct outside_view look_from_outside(void)
{
    struct outside_view view = {.number_inside = -1};
    struct ucred caller;
    int ends[2], on = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1 ||
        setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1)
        die("socketpair");
    int mounts = count_lines("/proc/self/mountinfo");
    call_end = ends[1];
    struct child child = start_boxed("./prober", "call", give_socket);
    close_end(&ends[1]);
    if (receive_caller(ends[0], &caller))
        look_at(&caller, &view);
    view.same_mounts = count_lines("/proc/self/mountinfo") == mounts;
    close_end(&ends[0]);
    finish(&child);
    return view;
}
