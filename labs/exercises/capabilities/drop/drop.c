/*
 * Root's power in pieces: one capability is taken away, and one thing root cannot do any more.
 *
 * Shown: chown, a port below 1024, a file of another user, another user id and the host name, each
 * by root as it is and by root without the one capability. User id 0 stays; what was dropped from the
 * permitted set cannot be taken back.
 *
 * Man pages: capabilities(7), capset(2), chown(2), ip(7), setuid(2), sethostname(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOMEBODY = 12345, LOW_PORT = 80, NOTHING_DROPPED = -1 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1); /* not exit(): in a child that would flush the parent's stdio buffers again */
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EPERM: return "blocked (EPERM)";
    case EACCES: return "blocked (EACCES)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOSYS: return "blocked (ENOSYS)";
    default: return "blocked (another errno)";
    }
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

static void get_sets(struct __user_cap_header_struct *header,
                     struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3])
{
    header->version = _LINUX_CAPABILITY_VERSION_3;
    header->pid = 0;
    if (syscall(SYS_capget, header, sets) == -1)
        die("capget");
}

/* From both sets: what is only not effective could be switched on again. */
static void drop(int capability)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    get_sets(&header, sets);
    sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
    sets[CAP_TO_INDEX(capability)].permitted &= ~CAP_TO_MASK(capability);
    if (syscall(SYS_capset, &header, sets) == -1)
        die("capset");
}

static int take_back(int capability)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    get_sets(&header, sets);
    sets[CAP_TO_INDEX(capability)].effective |= CAP_TO_MASK(capability);
    sets[CAP_TO_INDEX(capability)].permitted |= CAP_TO_MASK(capability);
    return syscall(SYS_capset, &header, sets) == -1 ? errno : 0;
}

static int change_owner(void)
{
    return chown("root-made", SOMEBODY, SOMEBODY) == -1 ? errno : 0;
}

/* Another user's, mode 0600. To write: for reading there is CAP_DAC_READ_SEARCH as well. */
static int open_foreign_file(void)
{
    int fd = open("somebody-made", O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    close(fd);
    return 0;
}

static int bind_low_port(void)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(LOW_PORT);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    int error = bind(fd, (const struct sockaddr *)&address, sizeof address) == -1 ? errno : 0;
    close(fd);
    return error;
}

static int become_somebody(void)
{
    return setuid(SOMEBODY) == -1 ? errno : 0;
}

/* To the name it has, so that nothing is changed by success. */
static int set_host_name(void)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) == -1)
        die("gethostname");
    return sethostname(name, strlen(name)) == -1 ? errno : 0;
}

static int try_to_take_back(void)
{
    return take_back(CAP_CHOWN);
}

/* Each in a child, which keeps neither the loss nor the new user id to itself. */
static const char *without(int capability, int (*deed)(void))
{
    pid_t child = start_child();
    if (child == 0) {
        if (capability != NOTHING_DROPPED)
            drop(capability);
        _exit(deed());
    }
    int status = wait_for(child);
    return verdict(WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

static void make_file(const char *name, uid_t owner)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1 || fchown(fd, owner, owner) == -1 || close(fd) == -1)
        die(name);
}

/* The first port that needs no privilege; a container's may be set to 0. */
static int first_free_port(void)
{
    int port = 1024;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    if (file == NULL)
        return port;
    if (fscanf(file, "%d", &port) != 1)
        port = 1024;
    fclose(file);
    return port;
}

/* Under the first key as root is, under the second without the capability. */
static void compare(const char *as_is, const char *dropped, int capability, int (*deed)(void))
{
    printf("\"%s\": \"%s\", ", as_is, without(NOTHING_DROPPED, deed));
    printf("\"%s\": \"%s\", ", dropped, without(capability, deed));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (geteuid() != 0) {
        fprintf(stderr, "to be run by root\n");
        return 1;
    }
    make_file("root-made", 0);
    make_file("somebody-made", SOMEBODY);
    printf("root, and root without one capability\n{");
    compare("host_name", "host_name_dropped", CAP_SYS_ADMIN, set_host_name);
    compare("open_file", "open_file_dropped", CAP_DAC_OVERRIDE, open_foreign_file);
    compare("low_port", "low_port_dropped", CAP_NET_BIND_SERVICE, bind_low_port);
    compare("set_uid", "set_uid_dropped", CAP_SETUID, become_somebody);
    printf("\"low_port_is_low\": %s, ", LOW_PORT < first_free_port() ? "true" : "false");
    printf("\"take_back\": \"%s\", ", without(CAP_CHOWN, try_to_take_back));
    printf("\"chown_dropped\": \"%s\", ", without(CAP_CHOWN, change_owner));
    printf("\"chown\": \"%s\"}\n", without(NOTHING_DROPPED, change_owner));
    if (unlink("root-made") == -1 || unlink("somebody-made") == -1)
        die("unlink");
    return 0;
}
