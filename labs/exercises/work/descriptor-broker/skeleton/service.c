/*
 * A broker of descriptors: opens files as root, gives up being root, and hands the open files to
 * whoever is entitled.
 *
 *   service SOCKET POLICY UID GID
 *
 * A line of POLICY is NAME PATH UID: that user may have that file under that name. A client connects
 * to SOCKET (SOCK_SEQPACKET), sends one message, a name, and gets "yes" with a descriptor or "no".
 * The broker runs until its standard input ends.
 *
 * Man pages: unix(7), cmsg(3), setgroups(2), setresgid(2), setresuid(2), credentials(7), poll(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FAILED = 125, NAME_SIZE = 32, PATH_SIZE = 256, MAX_RIGHTS = 32, BACKLOG = 64 };

struct right {
    char name[NAME_SIZE];
    uid_t uid;
    int fd;
};

static struct right rights[MAX_RIGHTS];
static size_t right_count;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(FAILED);
}

static unsigned long number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value == 0 || value >= 0xffffffffUL) {
        fprintf(stderr, "%s: no number of an ordinary user or group\n", text);
        exit(FAILED);
    }
    return value;
}

/* As root: what is opened here is what can be handed out later. */
static void open_files(const char *policy)
{
    char line[NAME_SIZE + PATH_SIZE + 16], path[PATH_SIZE];
    unsigned uid;
    FILE *file = fopen(policy, "re");
    if (file == NULL)
        die(policy);
    while (fgets(line, sizeof line, file) != NULL && right_count < MAX_RIGHTS) {
        struct right *next = &rights[right_count];
        if (sscanf(line, "%31s %255s %u", next->name, path, &uid) != 3)
            continue;
        next->uid = (uid_t)uid;
        next->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (next->fd == -1)
            die(path);
        right_count++;
    }
    fclose(file);
}

/* Everybody may connect: who gets something is decided by what the kernel says of him. */
static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die(path);
    }
    strcpy(address.sun_path, path);
    if (listener == -1 || bind(listener, (struct sockaddr *)&address, sizeof address) == -1 ||
        chmod(path, 0666) == -1 || listen(listener, BACKLOG) == -1)
        die(path);
    return listener;
}

/* TODO: become this user and this group, for good, and make sure of it. */
static void become(uid_t uid, gid_t gid)
{
    (void)uid;
    (void)gid;
}

/*
 * TODO: find out who it is and what he is entitled to; then the answer is "yes", and the descriptor
 * goes along.
 */
static void serve(int client)
{
    char name[NAME_SIZE];
    ssize_t length = recv(client, name, sizeof name, 0);
    if (length > 0 && send(client, "no", 2, MSG_NOSIGNAL) == -1)
        perror("an answer");
}

/* TODO: one client after the other, and each is waited for. */
static void serve_all(int listener)
{
    struct pollfd wanted[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    while (wanted[0].revents == 0) {
        if (poll(wanted, 2, -1) == -1 && errno != EINTR)
            die("poll");
        int client = wanted[1].revents != 0 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (client != -1) {
            serve(client);
            close(client);
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc != 5) {
        fprintf(stderr, "usage: service SOCKET POLICY UID GID\n");
        return FAILED;
    }
    uid_t uid = (uid_t)number(argv[3]);
    gid_t gid = (gid_t)number(argv[4]);
    /* TODO: what whoever started us had open is nothing that a broker should hold. */
    open_files(argv[2]);
    int listener = listen_at(argv[1]);
    become(uid, gid);
    if (puts("ready") == EOF || fflush(stdout) == EOF)
        die("standard output");
    serve_all(listener);
    return 0;
}
