/*
 * eventfd: a 64-bit counter behind a descriptor, to wake another process and nothing more.
 *
 * Shown: writes add up, one read takes everything; in semaphore mode one at a time; it can be polled
 * like any descriptor; the number is in the machine's byte order; it reaches children only by
 * inheritance; 8 bytes or nothing.
 *
 * Man pages: eventfd(2), poll(2), fork(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case EAGAIN: return "blocked (EAGAIN)";
    case EINVAL: return "blocked (EINVAL)";
    default: return "blocked (another error)";
    }
}

static void close_fd(int fd)
{
    if (close(fd) == -1)
        die("close");
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    return child;
}

static void wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = ECHILD;
        die("the child failed");
    }
}

static int make(unsigned value, int flags)
{
    int fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK | flags);
    if (fd == -1)
        die("eventfd");
    return fd;
}

static int add(int fd, uint64_t number)
{
    return write(fd, &number, sizeof number) == -1 ? errno : 0;
}

/* What a read gives; 0, which it never does, stands for "would have to wait". */
static uint64_t take(int fd)
{
    uint64_t number = 0;
    if (read(fd, &number, sizeof number) == -1 && errno != EAGAIN)
        die("read");
    return number;
}

static bool readable(int fd)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    if (poll(&event, 1, 0) == -1)
        die("poll");
    return (event.revents & POLLIN) != 0;
}

/* Two children add to it, and have ended: one read takes the sum. */
static uint64_t sum_of_children(int fd)
{
    for (unsigned i = 3; i <= 4; i++) {
        pid_t child = start_child();
        if (child == 0)
            _exit(add(fd, i) == 0 ? 0 : 1);
        wait_for(child);
    }
    return take(fd);
}

static int first_byte(int fd)
{
    unsigned char bytes[sizeof(uint64_t)];
    if (add(fd, 7) != 0 || read(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
        die("eventfd");
    return bytes[0];
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    int fd = make(0, 0);
    bool quiet = !readable(fd);
    uint64_t sum = sum_of_children(fd);
    int empty = read(fd, &(uint64_t){0}, sizeof(uint64_t)) == -1 ? errno : 0;
    int byte = first_byte(fd);
    int half = read(fd, &(uint32_t){0}, sizeof(uint32_t)) == -1 ? errno : 0;
    int largest = add(fd, UINT64_MAX - 1);
    int beyond = add(fd, 1);
    int forbidden = add(fd, UINT64_MAX);
    bool loud = readable(fd);
    close_fd(fd);

    int counting = make(2, EFD_SEMAPHORE);
    uint64_t first = take(counting), second = take(counting), third = take(counting);
    close_fd(counting);
    printf("children added 3 and 4: one read takes %u\n", (unsigned)sum);

    printf("{\"sum_of_children\": %u, \"read_when_zero\": \"%s\", ", (unsigned)sum, verdict(empty));
    printf("\"poll_follows_counter\": %s, \"first_byte_of_7\": %d, ", json_bool(quiet && loud), byte);
    printf("\"read_4_bytes\": \"%s\", \"add_up_to_largest\": \"%s\", ", verdict(half), verdict(largest));
    printf("\"add_beyond_largest\": \"%s\", \"add_all_ones\": \"%s\", ", verdict(beyond),
           verdict(forbidden));
    printf("\"semaphore_mode\": \"%u %u %u\"}\n", (unsigned)first, (unsigned)second, (unsigned)third);
    return 0;
}
