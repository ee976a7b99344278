/*
 * A check by name, then an opening by name: what the name means may change in between.
 *
 * A privileged service (its effective user is root) is to read files for the user who started it (its real user).
 * It asks access(2) whether that user may, then opens. The user exchanges the file for a link to
 * a secret in between. Here "in between" is a function call, so that the race is always won.
 *
 *   desk/note        the user's file, and the user's folder
 *   secret           root's, mode 0600
 *
 * Runs as root, to have another user's ids. Man pages: access(2), open(2), seteuid(2), fstat(2), symlink(7).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../attack.h"

enum { USER = 12345 };

static const char NOTE[] = "desk/note", SECRET[] = "secret";

/* The service's two ids, for a while or for good. */
static void be(uid_t effective)
{
    if (seteuid(effective) == -1)
        die("seteuid");
}

static void make_file(const char *path, uid_t owner, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd == -1 || fchown(fd, owner, owner) == -1 || write(fd, "x", 1) != 1 || close(fd) == -1)
        die(path);
}

/* The user's part, with the user's rights. */
static void exchange(void)
{
    be(USER);
    if (unlink(NOTE) == -1 || symlink("../secret", NOTE) == -1)
        die("exchanging");
    be(0);
}

static int close_it(int fd)
{
    int error = fd == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return error;
}

static int check(const char *path)
{
    return access(path, R_OK) == -1 ? errno : 0; /* asks for the real user */
}

/* As it should not be done. */
static int check_then_open(bool attacked)
{
    int error = check(NOTE);
    if (error != 0)
        return error;
    if (attacked)
        exchange();
    return close_it(open(NOTE, O_RDONLY | O_CLOEXEC));
}

/* The kernel judges the opening itself, by the rights of whom it is done for. */
static int open_as_the_user(void)
{
    exchange();
    be(USER);
    int error = close_it(open(NOTE, O_RDONLY | O_CLOEXEC));
    be(0);
    return error;
}

/* What is open cannot be exchanged: judge the descriptor. Links are refused at once. */
static int open_then_check(bool attacked)
{
    struct stat about;
    if (attacked)
        exchange();
    int fd = open(NOTE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = fstat(fd, &about) == -1 ? errno : about.st_uid == USER && S_ISREG(about.st_mode) ? 0 : EACCES;
    close(fd);
    return error;
}

/* Each attempt begins with the user's own file. */
static const char *anew(int error)
{
    make_file(NOTE, USER, 0600);
    return verdict(error);
}

int main(void)
{
    umask(0);
    make_file(SECRET, 0, 0600);
    if (mkdir("desk", 0755) == -1 && errno != EEXIST)
        die("desk");
    if (chown("desk", USER, USER) == -1)
        die("chown");
    make_file(NOTE, USER, 0600);
    if (setresuid(USER, 0, 0) == -1)
        die("setresuid");
    printf("{\"check_secret\": \"%s\", ", verdict(check(SECRET)));
    printf("\"own_note\": \"%s\", ", anew(check_then_open(false)));
    printf("\"exchanged\": \"%s\", ", anew(check_then_open(true)));
    printf("\"as_the_user\": \"%s\", ", anew(open_as_the_user()));
    printf("\"open_then_check_own\": \"%s\", ", anew(open_then_check(false)));
    printf("\"open_then_check\": \"%s\"}\n", anew(open_then_check(true)));
    return 0;
}
