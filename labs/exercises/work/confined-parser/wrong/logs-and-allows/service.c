/*
 * Wrong: the filter lists what is forbidden and has the rest logged: "log first, refuse later".
 * SECCOMP_RET_LOG writes a line in the kernel's log and executes the call, under this convention
 * and under others.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parser.h"
#include "this_arch.h"

enum { ENDED_WELL = 0, MALFORMED = 1, FAILED = 2 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, (value))

#define REFUSE(number) IF_EQUAL(number, 0, 1), ANSWER(SECCOMP_RET_ERRNO | EPERM)

static struct sock_filter rules[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 1, 0),
    ANSWER(SECCOMP_RET_LOG),
    LOAD(nr),
#ifdef SYS_open
    REFUSE(SYS_open),
#endif
    REFUSE(SYS_openat),
    REFUSE(SYS_execve),
#ifdef SYS_socketcall
    REFUSE(SYS_socketcall),
#endif
    REFUSE(SYS_socket),
    ANSWER(SECCOMP_RET_LOG),
};

static const struct sock_fprog RULES = {.len = sizeof rules / sizeof rules[0], .filter = rules};

/* read(2) stays allowed: what is open is open to the attacker too. */
static bool close_the_rest(void)
{
    return syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0;
}

static bool confine(void)
{
    return close_the_rest() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &RULES, 0, 0) == 0;
}

/* stdio would call more than write(2): fstat, ioctl or writev, as the library pleases. */
static bool say(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t done = write(STDOUT_FILENO, text, length);
        if (done == -1 && errno == EINTR)
            continue;
        if (done == -1)
            return false;
        text += done;
        length -= (size_t)done;
    }
    return true;
}

/* Feeds the parser all of the input, which arrives in pieces of any size. */
static bool read_all(struct parser *parser)
{
    unsigned char bytes[4096];
    for (;;) {
        ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
        if (got == -1 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        parser_feed(parser, bytes, (size_t)got);
    }
}

int main(void)
{
    static const char READY[] = "ready\n";
    struct parser parser;
    char answer[ANSWER_SIZE];
    bool well_formed;

    parser_start(&parser);
    if (!confine()) {
        perror("confine");
        return FAILED;
    }
    if (!say(READY, strlen(READY)) || !read_all(&parser))
        return FAILED;
    size_t length = parser_finish(&parser, answer, &well_formed);
    if (!say(answer, length))
        return FAILED;
    return well_formed ? ENDED_WELL : MALFORMED;
}
