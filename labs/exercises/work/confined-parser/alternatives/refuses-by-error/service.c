/*
 * Another design: refused calls fail with EPERM and the program goes on, so a bug in the parser costs one record
 * and not the answer. The filter is installed by seccomp(2), and close_range(2) by its function.
 *
 * A parser of input that nobody vouches for, which gives up everything it does not need before it
 * reads the first byte: the descriptors it was not promised, and all system calls but four.
 *
 * Whatever an input makes the parser core do then, it can read what it was sent, answer, and end.
 *
 * Man pages: seccomp(2), prctl(2), close_range(2), read(2), write(2), _exit(2).
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

/* What is not listed is refused, so a call that nobody thought of is refused too. */
static struct sock_filter rules[] = {
    LOAD(arch),
    IF_EQUAL(THIS_ARCH, 0, 5), /* another convention's numbers mean other calls */
    LOAD(nr),
    IF_EQUAL(SYS_read, 4, 0),
    IF_EQUAL(SYS_write, 3, 0),
    IF_EQUAL(SYS_exit_group, 2, 0),
    IF_EQUAL(SYS_exit, 1, 0),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
};

static const struct sock_fprog RULES = {.len = sizeof rules / sizeof rules[0], .filter = rules};

/* read(2) stays allowed: what is open is open to the attacker too. */
static bool close_the_rest(void)
{
    return close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

static bool confine(void)
{
    return close_the_rest() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &RULES) == 0;
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
