/*
 * Programs that make it hard for whoever talks with them.
 *
 *   traps pour-first   writes 4 MiB, then reads all, and says how much that was
 *   traps leave        ends with status 3 and has not read anything
 *   traps deaf         closes its input, then writes 4 MiB
 *   traps mute         closes its output, then reads all, and ends with status 5
 *   traps die          kills itself by SIGKILL when it has read all
 *   traps descriptors  says which descriptors it was started with
 *   traps sigpipe      says what SIGPIPE would do to it
 *   traps gates        waits at the FIFO "gate" three times: at first, when it has read all, and when it has
 *                      closed its output; a byte lets it go on
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MUCH = 4 << 20, CHUNK = 4096, LEFT = 3, MUTE = 5, HIGHEST = 64 };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void pour(size_t length)
{
    char letters[CHUNK];
    memset(letters, 'y', sizeof letters);
    while (length > 0) {
        ssize_t put = write(STDOUT_FILENO, letters, length < CHUNK ? length : CHUNK);
        if (put == -1 && errno != EINTR)
            die("write");
        length -= put > 0 ? (size_t)put : 0;
    }
}

static size_t read_all(void)
{
    char buffer[CHUNK];
    size_t total = 0;
    ssize_t got;
    while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
        if (got == -1 && errno != EINTR)
            die("read");
        total += got > 0 ? (size_t)got : 0;
    }
    return total;
}

static void show_descriptors(void)
{
    for (int fd = 0; fd < HIGHEST; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            printf("%d ", fd);
    printf("\n");
}

static void show_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == -1)
        die("sigaction");
    printf("%s\n", now.sa_handler == SIG_DFL ? "default" : now.sa_handler == SIG_IGN ? "ignored" : "handled");
}

static void pass_gate(int gate)
{
    char byte;
    ssize_t got;
    do
        got = read(gate, &byte, 1);
    while (got == -1 && errno == EINTR);
    if (got != 1)
        die("gate");
}

static void pass_gates(void)
{
    int gate = open("gate", O_RDONLY | O_CLOEXEC);
    if (gate == -1)
        die("gate");
    pass_gate(gate);
    read_all();
    pass_gate(gate);
    if (close(STDOUT_FILENO) == -1)
        die("close");
    pass_gate(gate);
}

int main(int argc, char *argv[])
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "pour-first") == 0) {
        pour(MUCH);
        printf("%zu\n", read_all());
    } else if (strcmp(mode, "leave") == 0) {
        return LEFT;
    } else if (strcmp(mode, "deaf") == 0) {
        close(STDIN_FILENO);
        pour(MUCH);
    } else if (strcmp(mode, "mute") == 0) {
        close(STDOUT_FILENO);
        read_all();
        return MUTE;
    } else if (strcmp(mode, "die") == 0) {
        read_all();
        raise(SIGKILL);
    } else if (strcmp(mode, "descriptors") == 0) {
        show_descriptors();
    } else if (strcmp(mode, "sigpipe") == 0) {
        show_sigpipe();
    } else if (strcmp(mode, "gates") == 0) {
        pass_gates();
    } else {
        return 2;
    }
    return 0;
}
