/*
 * What a program may do to files that are not its own work: read one, overwrite one, delete one of
 * the same user, and read or overwrite one of another user. Each by its path, and by the path
 * through /proc/1/root, the root directory of process 1 (proc(5)).
 *
 * Who may is decided by path_resolution(7), file mode bits and user ids (inode(7)); which files
 * there are to name at all, by the mount namespace (mount_namespaces(7)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int deed(const char *path);

static const char *wanted(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set\n", name);
        exit(1);
    }
    return value;
}

/* 0, or the errno. What was read is printed: the proof that it was. */
static int read_file(const char *path)
{
    char text[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    ssize_t got = read(fd, text, sizeof text);
    int error = got == -1 ? errno : 0;
    if (error == 0)
        printf("  it says: %.*s\n", (int)got, text);
    close(fd);
    return error;
}

static int overwrite(const char *path)
{
    const char *mark = wanted("ISOLAB_CANARY_MARK");
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd == -1)
        return errno;
    ssize_t put = write(fd, mark, strlen(mark));
    int error = put == -1 ? errno : 0;
    close(fd);
    return error;
}

static int delete_file(const char *path)
{
    return unlink(path) == -1 ? errno : 0;
}

static int read_or_overwrite(const char *path)
{
    int error = read_file(path);
    return overwrite(path) == 0 ? 0 : error;
}

/* Both ways to name the file; 0 if one of them worked, else what the plain path met. */
static int attempt(const char *variable, const char *story, deed *act)
{
    char around[PATH_MAX];
    const char *path = wanted(variable);

    puts(story);
    int error = act(path);
    if (error == 0)
        return 0;
    int length = snprintf(around, sizeof around, "/proc/1/root%s", path);
    if (length > 0 && (size_t)length < sizeof around && act(around) == 0)
        return 0;
    return error;
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case ENOENT: return "blocked (ENOENT)";
    case EACCES: return "blocked (EACCES)";
    case EPERM: return "blocked (EPERM)";
    case EROFS: return "blocked (EROFS)";
    default: return "blocked (another errno)";
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    int secret = attempt("ISOLAB_CANARY_SECRET", "read a file of the same user on the host", read_file);
    int file = attempt("ISOLAB_CANARY_FILE", "overwrite one", overwrite);
    int entry = attempt("ISOLAB_CANARY_ENTRY", "delete one", delete_file);
    int other = 0;
    if (getenv("ISOLAB_CANARY_OTHER_FILE") != NULL)
        other = attempt("ISOLAB_CANARY_OTHER_FILE", "read or overwrite one of another user",
                        read_or_overwrite);
    printf("{\"read\": \"%s\", \"overwrite\": \"%s\", \"delete\": \"%s\", \"other_user\": \"%s\"}\n",
           verdict(secret), verdict(file), verdict(entry), verdict(other));
    return 0;
}
