/*
 * /proc/PID/exe: a way to the file of a program that runs, for whoever may look at the process. In a container
 * that shares nothing else with the outside it leads to the outside's program, if one of those comes in.
 *
 * The target is a copy of this program, made for it. Shown: the file cannot be written while it runs; the way
 * stays when the program has ended, and then it can. A program that runs from sealed memory cannot be changed.
 *
 * Man pages: proc_pid_exe(5), open(2) (ETXTBSY), memfd_create(2), fcntl(2) (F_ADD_SEALS), fexecve(3).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../attack.h"

static const char TARGET[] = "runtime"; /* the program of the outside, which comes in */

/* Copies this very program to a descriptor. */
static void copy_self(int to)
{
    char bytes[65536];
    ssize_t got;
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (from == -1)
        die("/proc/self/exe");
    while ((got = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)got) != got)
            die("copying");
    if (got == -1)
        die("reading");
    close(from);
}

static int make_file(void)
{
    int fd = open(TARGET, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (fd == -1)
        die(TARGET);
    copy_self(fd);
    close(fd); /* a file that is open for writing cannot be executed */
    return open(TARGET, O_RDONLY | O_CLOEXEC);
}

static int make_sealed(void)
{
    int fd = memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd == -1)
        die("memfd_create");
    copy_self(fd);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == -1)
        die("F_ADD_SEALS");
    return fd;
}

/* 0 if the first byte can be written, else an errno. It is written as it was. */
static int try_to_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    int error = write(fd, "\177", 1) == 1 ? 0 : errno;
    close(fd);
    return error;
}

struct seen {
    int running; /* writing while it runs */
    int ended;   /* writing afterwards */
};

/* The program says that it runs, and ends when its input does. */
static struct seen attack(int program)
{
    int says[2], until[2];
    char way[64];
    struct seen seen;
    if (pipe2(says, O_CLOEXEC) == -1 || pipe2(until, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t child = start_child();
    if (child == 0) {
        char *argv[] = {"runtime", "--run", NULL}, *env[] = {NULL};
        if (dup2(until[0], STDIN_FILENO) == -1 || dup2(says[1], STDOUT_FILENO) == -1)
            die("dup2");
        fexecve(program, argv, env);
        die("fexecve");
    }
    close(until[0]);
    close(says[1]);
    if (!hear(says[0]))
        die("the program");
    snprintf(way, sizeof way, "/proc/%d/exe", (int)child);
    int held = open(way, O_PATH | O_CLOEXEC);
    if (held == -1)
        die(way);
    seen.running = try_to_write(way);
    close(until[1]);
    wait_for(child);
    close(program);
    snprintf(way, sizeof way, "/proc/self/fd/%d", held);
    seen.ended = try_to_write(way);
    close(held);
    close(says[0]);
    return seen;
}

int main(int argc, char *argv[])
{
    if (argc == 2 && strcmp(argv[1], "--run") == 0) {
        tell(STDOUT_FILENO);
        return hear(STDIN_FILENO) ? 1 : 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct seen file = attack(make_file()), sealed = attack(make_sealed());
    printf("{\"file_running\": \"%s\", \"file_ended\": \"%s\", ", verdict(file.running), verdict(file.ended));
    printf("\"sealed_running\": \"%s\", ", verdict(sealed.running));
    printf("\"sealed_ended\": \"%s\"}\n", verdict(sealed.ended));
    unlink(TARGET);
    return 0;
}
