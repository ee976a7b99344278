/*
 * The engine's socket in a container: who may ask the engine may have a container that has the outside's root in it. The
 * engine here is a small one of our own: it listens on a UNIX socket, and starts a container with one folder of the outside,
 * chosen by who asks, which prints whether a file can be read. Docker's and Podman's can be asked for the same
 * (docker run -v /:/mnt image cat /mnt/FILE).
 *
 *   secret           root's, mode 0600: the canary
 *   theirs           an ordinary user's, mode 0600
 *   engine.sock      the engine's socket, mode 0660
 *   place/           where a container's root is mounted, in the container's own mount namespace
 *
 * Runs as root. Man pages: unix(7), mount(2), pivot_root(2), user_namespaces(7), mount_namespaces(7).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../newroot.h"

enum { ORDINARY = 12345 };
enum holder { NOBODY, ROOT, USER, MAPPED_ROOT }; /* who has the socket in the first container */

struct trial {
    enum holder holder;
    bool read_only; /* the socket's mount */
    bool rootless;  /* the engine is an ordinary user's */
    bool choosy;    /* the engine allows one folder only */
    const char *wanted;
};

/* As it goes over the socket. */
struct request {
    char folder[128]; /* of the outside, to be mounted */
    char file[256];   /* in it */
};

static const char SOCKET[] = "engine.sock", ALLOWED_FOLDER[] = "/srv";
static char own[200];

static int try_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

static struct sockaddr_un address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, SOCKET, sizeof SOCKET);
    return address;
}

/* A root of its own that is empty, and the outside's still there: see exchange_root(). */
static void mount_new_root(void)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("tmpfs", "place", "tmpfs", 0, "mode=0755,size=256k") == -1)
        die("the new root");
}

static void enter(void)
{
    if (chdir("place") == -1 || !exchange_root())
        die("entering the container");
}

/* --- The engine -------------------------------------------------------------------------------------------------- */

/* In the container: 0 or an errno. */
static int be_second_container(const struct request *asked, bool rootless)
{
    char path[sizeof asked->file + 8];
    if (unshare(CLONE_NEWNS | (rootless ? CLONE_NEWUSER : 0)) == -1)
        return errno;
    if (rootless)
        map_root(ORDINARY);
    mount_new_root();
    if (mkdir("place/mnt", 0755) == -1 || mount(asked->folder, "place/mnt", NULL, MS_BIND | MS_REC, NULL) == -1)
        return errno;
    enter();
    snprintf(path, sizeof path, "/mnt/%s", asked->file);
    return try_open(path);
}

static int obey(const struct request *asked, const struct trial *trial)
{
    if (trial->choosy && strcmp(asked->folder, ALLOWED_FOLDER) != 0)
        return EPERM;
    pid_t container = start_child();
    if (container == 0)
        _exit(be_second_container(asked, trial->rootless));
    return WEXITSTATUS(wait_for(container));
}

static _Noreturn void be_engine(int listener, const struct trial *trial)
{
    struct request asked;
    if (trial->rootless)
        become_ordinary(ORDINARY);
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client == -1 || recv(client, &asked, sizeof asked, MSG_WAITALL) != (ssize_t)sizeof asked)
        die("the request");
    asked.folder[sizeof asked.folder - 1] = asked.file[sizeof asked.file - 1] = '\0'; /* whoever sent it */
    int error = obey(&asked, trial);
    if (send(client, &error, sizeof error, MSG_NOSIGNAL) != (ssize_t)sizeof error)
        die("the answer");
    _exit(0);
}

static int open_socket(uid_t owner)
{
    struct sockaddr_un name = address();
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1 || (unlink(SOCKET) == -1 && errno != ENOENT) ||
        bind(listener, (struct sockaddr *)&name, sizeof name) == -1 || chmod(SOCKET, 0660) == -1 ||
        chown(SOCKET, owner, owner) == -1 || listen(listener, 1) == -1)
        die(SOCKET);
    return listener;
}

/* --- The attacker, in a container that somebody made ------------------------------------------------------------- */

static void mount_socket(bool read_only)
{
    int file = open("place/engine.sock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file == -1 || close(file) == -1 || mount(SOCKET, "place/engine.sock", NULL, MS_BIND, NULL) == -1 ||
        (read_only && mount(NULL, "place/engine.sock", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == -1))
        die("the socket's mount");
}

/* 0 or an errno: of the socket, or what the engine answers. */
static int ask_engine(const char *wanted)
{
    struct request asked = {.folder = "/"};
    struct sockaddr_un name = address();
    int error, engine = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (engine == -1)
        die("socket");
    if (connect(engine, (struct sockaddr *)&name, sizeof name) == -1)
        return errno;
    snprintf(asked.file, sizeof asked.file, "%s/%s", own, wanted);
    if (send(engine, &asked, sizeof asked, MSG_NOSIGNAL) != (ssize_t)sizeof asked ||
        recv(engine, &error, sizeof error, MSG_WAITALL) != (ssize_t)sizeof error)
        die("the engine");
    close(engine);
    return error;
}

static int attack(const struct trial *trial)
{
    char path[sizeof own + 32];
    bool mapped = trial->holder == MAPPED_ROOT;
    if (mapped)
        become_ordinary(ORDINARY);
    if (unshare(CLONE_NEWNS | (mapped ? CLONE_NEWUSER : 0)) == -1)
        return errno;
    if (mapped)
        map_root(ORDINARY);
    mount_new_root();
    if (trial->holder != NOBODY)
        mount_socket(trial->read_only);
    enter();
    if (trial->holder == USER)
        become_ordinary(ORDINARY);
    snprintf(path, sizeof path, "%s/%s", own, trial->wanted);
    if (try_open(path) != ENOENT)
        die("the container is open without its engine");
    return ask_engine(trial->wanted);
}

static const char *try(struct trial trial)
{
    int listener = open_socket(trial.rootless ? ORDINARY : 0);
    pid_t engine = start_child();
    if (engine == 0)
        be_engine(listener, &trial);
    close(listener);
    pid_t attacker = start_child();
    if (attacker == 0)
        _exit(attack(&trial));
    const char *words = verdict(WEXITSTATUS(wait_for(attacker)));
    kill(engine, SIGKILL); /* it may be waiting still: the number is its own until wait_for() */
    wait_for(engine);
    return words;
}

static void make_file(const char *path, uid_t owner)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1 || fchown(fd, owner, owner) == -1 || close(fd) == -1)
        die(path);
}

int main(void)
{
    if (getcwd(own, sizeof own) == NULL || (mkdir("place", 0755) == -1 && errno != EEXIST))
        die("setting up");
    make_file("secret", 0);
    make_file("theirs", ORDINARY);
    printf("{\"without\": \"%s\"", try((struct trial){.holder = NOBODY, .wanted = "secret"}));
    fflush(stdout);
    printf(", \"with_socket\": \"%s\"", try((struct trial){.holder = ROOT, .wanted = "secret"}));
    fflush(stdout);
    printf(", \"read_only\": \"%s\"", try((struct trial){.holder = ROOT, .read_only = true, .wanted = "secret"}));
    fflush(stdout);
    printf(", \"other_user\": \"%s\"", try((struct trial){.holder = USER, .wanted = "secret"}));
    fflush(stdout);
    printf(", \"choosy\": \"%s\"", try((struct trial){.holder = ROOT, .choosy = true, .wanted = "secret"}));
    fflush(stdout);
    printf(", \"rootless\": \"%s\"", try((struct trial){.holder = MAPPED_ROOT, .rootless = true, .wanted = "secret"}));
    fflush(stdout);
    printf(", \"rootless_theirs\": \"%s\"}\n", try((struct trial){.holder = MAPPED_ROOT, .rootless = true, .wanted = "theirs"}));
    return 0;
}
