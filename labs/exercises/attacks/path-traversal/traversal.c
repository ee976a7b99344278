/*
 * Out of a folder by a name: a service opens files of one folder for whoever asks, and takes their names as they
 * come. "..", absolute names and symbolic links lead out of it.
 *
 * Shown: each way out by openat(2), as many programs do it; what O_NOFOLLOW stops of that, which is less than
 * one thinks; and openat2(2), by which the kernel itself keeps to the folder. Beside each refusal the file that
 * may be had, opened in the same way.
 *
 *   shop/            the folder
 *   shop/goods       may be had
 *   shop/link        -> ../secret
 *   shop/door        -> ..
 *   secret           may not
 *
 * Man pages: openat(2), openat2(2), open(2) (O_NOFOLLOW), symlink(7), path_resolution(7).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../attack.h"

static int shop; /* the folder */

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, "x", 1) != 1 || close(fd) == -1)
        die(path);
}

static void make_links(void)
{
    if ((symlink("../secret", "shop/link") == -1 || symlink("..", "shop/door") == -1) && errno != EEXIST)
        die("symlink");
}

static const char *outcome(int fd)
{
    const char *said = verdict(fd == -1 ? errno : 0);
    if (fd != -1)
        close(fd);
    return said;
}

static const char *by_name(const char *name, int flags)
{
    return outcome(openat(shop, name, O_RDONLY | O_CLOEXEC | flags));
}

/* RESOLVE_BENEATH: a way that leaves the folder is an error. RESOLVE_IN_ROOT: the folder is the root of all ways. */
static const char *by_way(const char *name, unsigned long long resolve)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = resolve};
    return outcome((int)syscall(SYS_openat2, shop, name, &how, sizeof how));
}

int main(void)
{
    char absolute[4096];
    if (getcwd(absolute, sizeof absolute - 16) == NULL)
        die("getcwd");
    strcat(absolute, "/secret");
    make_file("secret");
    if (mkdir("shop", 0700) == -1 && errno != EEXIST)
        die("shop");
    make_file("shop/goods");
    make_links();
    shop = open("shop", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (shop == -1)
        die("shop");

    printf("{\"goods\": \"%s\", \"dotdot\": \"%s\", ", by_name("goods", 0), by_name("../secret", 0));
    printf("\"absolute\": \"%s\", \"link\": \"%s\", ", by_name(absolute, 0), by_name("link", 0));
    printf("\"nofollow_link\": \"%s\", ", by_name("link", O_NOFOLLOW));
    printf("\"nofollow_door\": \"%s\", ", by_name("door/secret", O_NOFOLLOW));
    printf("\"beneath_goods\": \"%s\", ", by_way("goods", RESOLVE_BENEATH));
    printf("\"beneath_dotdot\": \"%s\", ", by_way("../secret", RESOLVE_BENEATH));
    printf("\"beneath_absolute\": \"%s\", ", by_way(absolute, RESOLVE_BENEATH));
    printf("\"beneath_link\": \"%s\", ", by_way("link", RESOLVE_BENEATH));
    printf("\"beneath_door\": \"%s\", ", by_way("door/secret", RESOLVE_BENEATH));
    printf("\"in_root_goods\": \"%s\", ", by_way("/goods", RESOLVE_IN_ROOT));
    printf("\"in_root_dotdot\": \"%s\"}\n", by_way("../../secret", RESOLVE_IN_ROOT));
    return 0;
}
