/*
 * Traps in folders that everybody may write, such as /tmp, and the kernel's rules against them:
 * fs.protected_symlinks, protected_hardlinks, protected_fifos and protected_regular.
 *
 * One user lays traps, another one steps into them; each trap with its rule off and on. Beside the refusals: the same in a
 * folder without the sticky bit, and one's own link. The settings are as they were afterwards.
 *
 *   crowd/   mode 1777, as /tmp has it          plain/   mode 0777
 *
 * Runs as root of a machine with a kernel of its own. Man pages: proc_sys_fs(5), symlink(7), link(2), open(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../attack.h"

enum { TRAPPER = 12345, VICTIM = 12346 };

struct rule {
    const char *file;
    char before;
};

static struct rule symlinks = {.file = "/proc/sys/fs/protected_symlinks"};
static struct rule hardlinks = {.file = "/proc/sys/fs/protected_hardlinks"};
static struct rule fifos = {.file = "/proc/sys/fs/protected_fifos"};
static struct rule regular = {.file = "/proc/sys/fs/protected_regular"};

static char read_rule(const struct rule *rule)
{
    char value = '?';
    int fd = open(rule->file, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || read(fd, &value, 1) != 1 || close(fd) == -1)
        die(rule->file);
    return value;
}

/* 0, or an errno. */
static int set_rule(const struct rule *rule, char value)
{
    int fd = open(rule->file, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = write(fd, &value, 1) == 1 ? 0 : errno;
    close(fd);
    return error;
}

static void be(uid_t user)
{
    if (seteuid(0) == -1 || seteuid(user) == -1)
        die("seteuid");
}

static int open_as(uid_t user, const char *path, int flags)
{
    be(user);
    int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0666);
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    be(0);
    return error;
}

static int link_as(uid_t user, const char *from, const char *to)
{
    be(user);
    int error = link(from, to) == -1 ? errno : 0;
    be(0);
    unlink(to);
    return error;
}

static void make_file(const char *path, uid_t owner, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd == -1 || fchmod(fd, mode) == -1 || fchown(fd, owner, owner) == -1 || close(fd) == -1)
        die(path);
}

static void make_folder(const char *path, mode_t mode)
{
    if ((mkdir(path, mode) == -1 && errno != EEXIST) || chmod(path, mode) == -1)
        die(path);
}

/* What lies in both folders: laid by the trapper. */
static void lay_traps(void)
{
    make_folder("crowd", 01777);
    make_folder("plain", 0777);
    make_file("target", 0, 0644);
    make_file("precious", VICTIM, 0600);
    make_file("crowd/file", TRAPPER, 0666);
    if (mkfifo("crowd/fifo", 0666) == -1 || chmod("crowd/fifo", 0666) == -1 ||
        lchown("crowd/fifo", TRAPPER, TRAPPER) == -1)
        die("crowd/fifo");
    if (symlink("../target", "crowd/link") == -1 || lchown("crowd/link", TRAPPER, TRAPPER) == -1 ||
        symlink("../target", "plain/link") == -1 || lchown("plain/link", TRAPPER, TRAPPER) == -1)
        die("links");
}

static void show(const char *name, int error, const char *end)
{
    printf("\"%s\": \"%s\"%s", name, verdict(error), end);
}

static void step_into_them(bool on)
{
    const struct {
        const char *off, *on; /* what it is called with the rules off and on */
        int error;
    } seen[] = {
        {"symlink_off", "symlink_on", open_as(VICTIM, "crowd/link", O_RDONLY)},
        {"own_symlink_off", "own_symlink_on", open_as(TRAPPER, "crowd/link", O_RDONLY)},
        {"plain_symlink_off", "plain_symlink_on", open_as(VICTIM, "plain/link", O_RDONLY)},
        {"hardlink_off", "hardlink_on", link_as(TRAPPER, "precious", "crowd/hard")},
        {"fifo_off", "fifo_on", open_as(VICTIM, "crowd/fifo", O_RDWR | O_CREAT)},
        {"fifo_without_creat_off", "fifo_without_creat_on", open_as(VICTIM, "crowd/fifo", O_RDWR)},
        {"file_off", "file_on", open_as(VICTIM, "crowd/file", O_WRONLY | O_CREAT)},
        {"file_as_root_off", "file_as_root_on", open_as(0, "crowd/file", O_WRONLY | O_CREAT)},
    };
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
        show(on ? seen[i].on : seen[i].off, seen[i].error, ", ");
}

/* 0, or the errno of the first one that cannot be set. */
static int set_all(char value)
{
    struct rule *all[] = {&symlinks, &hardlinks, &fifos, &regular};
    for (size_t i = 0; i < 4; i++) {
        int error = set_rule(all[i], value == 'b' ? all[i]->before : value);
        if (error != 0)
            return error;
    }
    return 0;
}

int main(void)
{
    struct rule *all[] = {&symlinks, &hardlinks, &fifos, &regular};
    umask(0);
    for (size_t i = 0; i < 4; i++)
        all[i]->before = read_rule(all[i]);
    printf("before: symlinks %c, hard links %c, FIFOs %c, files %c\n", symlinks.before, hardlinks.before,
           fifos.before, regular.before);
    int error = set_all('0');
    if (error != 0) {
        printf("{\"settings\": \"%s\"}\n", verdict(error));
        return 0;
    }
    lay_traps();
    printf("{");
    step_into_them(false);
    error = set_all('1');
    step_into_them(true);
    show("settings", error, "}\n");
    return set_all('b') == 0 ? 0 : 1;
}
