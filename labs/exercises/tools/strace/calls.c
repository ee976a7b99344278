/*
 * A program to be watched by strace: what it does, and what of that the kernel gets to see.
 *
 *   calls whole       two printf to a stream that is flushed when its buffer is full, or at exit
 *   calls by-line     the same two to a stream that is flushed at the end of each line
 *   calls unreadable  opens a file that is root's, and does not say how that went
 *   calls rename      gives the machine another name, and does not say how that went
 *   calls child       lets a child write the two lines
 *   calls careful     writes, and asks at the end whether it was written
 *
 * Nothing here knows of strace. Man pages: setvbuf(3), stdio(3), sethostname(2), shadow(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITE_FAILED = 3 };

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void two_lines(void)
{
    printf("one line\n");
    printf("another line\n");
}

/* Said outright: C leaves open what it is for a stream that is not a terminal. */
static void buffer(int mode)
{
    if (setvbuf(stdout, NULL, mode, BUFSIZ) != 0)
        die("setvbuf");
}

/* The flaw is the point: nobody learns of the error from this function, but strace shows it. */
static void open_unreadable(void)
{
    int fd = open("/etc/shadow", O_RDONLY | O_CLOEXEC);
    if (fd != -1)
        close(fd);
}

/* The same flaw. */
static void rename_machine(void)
{
    (void)!sethostname("renamed", strlen("renamed"));
}

static void in_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        two_lines();
        if (fflush(stdout) == EOF)
            die("fflush");
        _exit(0);
    }
    while (waitpid(child, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
}

/* printf only fills a buffer: whether the bytes went anywhere is known after the flush. */
static int careful(void)
{
    two_lines();
    return fflush(stdout) == EOF ? WRITE_FAILED : 0;
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";
    buffer(strcmp(what, "by-line") == 0 ? _IOLBF : _IOFBF);
    if (strcmp(what, "whole") == 0 || strcmp(what, "by-line") == 0)
        two_lines();
    else if (strcmp(what, "unreadable") == 0)
        open_unreadable();
    else if (strcmp(what, "rename") == 0)
        rename_machine();
    else if (strcmp(what, "child") == 0)
        in_child();
    else if (strcmp(what, "careful") == 0)
        return careful();
    else
        return 2;
    return 0;
}
