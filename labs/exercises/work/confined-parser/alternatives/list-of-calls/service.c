/*
 * Another design: the filter is made from a list at run time, refused calls raise SIGSYS in the thread, and
 * descriptors are closed one by one as /proc/self/fd lists them.
 *
 * A parser of input that nobody vouches for, which gives up everything it does not need before it
 * reads the first byte: the descriptors it was not promised, and all system calls but four.
 *
 * Whatever an input makes the parser core do then, it can read what it was sent, answer, and end.
 *
 * Man pages: seccomp(2), prctl(2), proc(5), closedir(3), read(2), write(2), _exit(2).
 */
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parser.h"
#include "this_arch.h"

enum { ENDED_WELL = 0, MALFORMED = 1, FAILED = 2 };

static const unsigned allowed[] = {SYS_read, SYS_write, SYS_exit, SYS_exit_group};

enum { CALLS = sizeof allowed / sizeof allowed[0], RULES = 4 + 2 * CALLS + 1 };

static struct sock_filter rule(unsigned short code, unsigned value, unsigned char yes, unsigned char no)
{
    return (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = value};
}

/* For each call that is allowed: if it is that one, the next rule lets it pass, else that rule is jumped over. */
static size_t write_rules(struct sock_filter rules[RULES])
{
    size_t n = 0;
    rules[n++] = rule(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    rules[n++] = rule(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0);
    rules[n++] = rule(BPF_RET | BPF_K, SECCOMP_RET_KILL, 0, 0);
    rules[n++] = rule(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    for (size_t i = 0; i < CALLS; i++) {
        rules[n++] = rule(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        rules[n++] = rule(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    }
    rules[n++] = rule(BPF_RET | BPF_K, SECCOMP_RET_KILL, 0, 0);
    return n;
}

/* read(2) stays allowed: what is open is open to the attacker too. From the top, for closing changes the folder. */
static bool close_the_rest(void)
{
    for (;;) {
        DIR *open_files = opendir("/proc/self/fd");
        struct dirent *entry;
        int most = -1;
        if (open_files == NULL)
            return false;
        while ((entry = readdir(open_files)) != NULL) {
            int fd = atoi(entry->d_name); /* 0 for "." and ".." */
            if (fd > most && fd != dirfd(open_files))
                most = fd;
        }
        closedir(open_files);
        if (most <= STDERR_FILENO)
            return true;
        close(most);
    }
}

static bool confine(void)
{
    struct sock_filter rules[RULES];
    struct sock_fprog program = {.len = (unsigned short)write_rules(rules), .filter = rules};
    return close_the_rest() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
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
