/*
 * The hidden tests of the confined parser.
 *
 *   prober             the tests; prints what was observed
 *   prober executed    what an attack executes: says so
 *
 * The filter itself is taken from a second program, made of the same service.c, whose calls of
 * prctl() and syscall() go through capture.c; it is then asked about every number there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../support/child.h"
#include "../this_arch.h"
#include "../trial.h"
#include "bpf.h"

enum {
    MANY = 20000,         /* records of the long input */
    SPARE = 7,            /* the descriptor that is left open */
    NUMBERS = 7000,       /* MIPS has the highest, below 6500 */
    X32_BIT = 0x40000000, /* a second table on x86-64: syscall(2) */
    MAX_FILTERS = 8,
    MAX_LENGTH = 4096, /* BPF_MAXINSNS */
    ROOM = MAX_FILTERS * MAX_LENGTH * sizeof(struct sock_filter) + 4096,
};

static const char SECRET_FILE[] = "secret", SECRET[] = "the secret", DOOR[] = "door";

/* Among them ours. A filter that does not look will allow the numbers it knows in all of them. */
static const uint32_t KNOWN[] = {
    AUDIT_ARCH_X86_64,  AUDIT_ARCH_I386,    AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM,
    AUDIT_ARCH_RISCV64, AUDIT_ARCH_PPC64LE, AUDIT_ARCH_PPC,     AUDIT_ARCH_S390X,
    AUDIT_ARCH_S390,    AUDIT_ARCH_MIPSEL,  AUDIT_ARCH_MIPSEL64,
};

struct filters {
    size_t count;
    size_t length[MAX_FILTERS];
    struct sock_filter rules[MAX_FILTERS][MAX_LENGTH];
};

static void long_input(void)
{
    static struct input input;
    for (int i = 0; i < MANY; i++)
        add_record(&input, i % 4 == 3 ? 'T' : 'N', i % 4 == 3 ? "four" : "1000000007");
    struct trial trial = try_input(&input, input.length, NULL);
    show_answer("long_answer", &trial);
}

static void input_in_bytes(void)
{
    static struct input input;
    add_record(&input, 'N', "18446744073709551000");
    add_record(&input, 'T', "");
    add_record(&input, 'N', "615");
    struct trial trial = try_input(&input, 1, NULL);
    show_answer("bytes_answer", &trial);
}

static void malformed(void)
{
    static struct input unknown, cut;
    add_record(&unknown, 'N', "1");
    add_record(&unknown, '?', "what");
    struct trial trial = try_input(&unknown, unknown.length, NULL);
    show_answer("unknown_answer", &trial);
    show_text("unknown_ended", trial.ended);
    add_record(&cut, 'T', "a record that is cut");
    cut.length -= 5;
    trial = try_input(&cut, cut.length, NULL);
    show_text("cut_ended", trial.ended);
}

/* As a careless program that starts us might: open, and without FD_CLOEXEC. */
static void leave_open(void)
{
    int fd = open(SECRET_FILE, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || dup2(fd, SPARE) == -1)
        die(SECRET_FILE);
}

static const char *attack_descriptor(void)
{
    int fd = open(SECRET_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, SECRET, strlen(SECRET)) != (ssize_t)strlen(SECRET))
        die(SECRET_FILE);
    close_end(&fd);
    return try_attack("steal 7", SECRET, leave_open);
}

static const char *attack_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, DOOR);
    if (unlink(DOOR) == -1 && errno != ENOENT)
        die(DOOR);
    if (door == -1 || bind(door, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(door, 1) == -1)
        die(DOOR);
    const char *came_to = try_attack("connect door", NULL, NULL);
    struct pollfd knock = {.fd = door, .events = POLLIN};
    if (poll(&knock, 1, 0) == 1) /* the attacker has ended: what he did is done */
        came_to = "succeeded";
    close_end(&door);
    return came_to;
}

/* The filters the captured program shows before it says "ready". */
static void capture(struct filters *filters)
{
    char program[] = "./captured", line[LINE_ROOM];
    char *const argv[] = {program, NULL};
    struct child child = start_child(argv, NULL, ROOM);
    unsigned length;

    while (hear_line(&child.out, line) && filters->count < MAX_FILTERS) {
        static char bytes[sizeof filters->rules[0] + 1];
        if (sscanf(line, "filter %u", &length) != 1 || length > MAX_LENGTH)
            break;
        size_t size = length * sizeof(struct sock_filter);
        if (hear_bytes(&child.out, bytes, size + 1) != size)
            break;
        memcpy(filters->rules[filters->count], bytes, size);
        filters->length[filters->count++] = length;
    }
    hear_out(&child);
    end_child(&child);
}

/*
 * Whether the kernel would execute the call. LOG executes it as ALLOW does, and both may carry data in the
 * low half, which means nothing. All else keeps it from being executed here, where nobody traces and no
 * listener was asked for: seccomp(2), "Return values".
 */
static bool executes(uint32_t verdict)
{
    uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

/* A call is allowed when no filter objects, with arguments of one kind at least. */
static bool allowed(const struct filters *filters, uint32_t arch, uint32_t number)
{
    static const uint64_t ARGUMENTS[] = {0, 1, UINT64_MAX};
    for (size_t kind = 0; kind < sizeof ARGUMENTS / sizeof ARGUMENTS[0]; kind++) {
        struct seccomp_data call = {.nr = (int)number, .arch = arch};
        size_t asked = 0;
        for (size_t i = 0; i < sizeof call.args / sizeof call.args[0]; i++)
            call.args[i] = ARGUMENTS[kind];
        while (asked < filters->count &&
               executes(judge(filters->rules[asked], filters->length[asked], &call)))
            asked++;
        if (asked == filters->count)
            return true;
    }
    return false;
}

static bool needed(uint32_t number)
{
    return number == SYS_read || number == SYS_write || number == SYS_exit ||
           number == SYS_exit_group;
}

static void ask_filter(void)
{
    static struct filters filters;
    int beyond = 0, foreign = 0;

    capture(&filters);
    for (uint32_t number = 0; number < NUMBERS; number++) {
        beyond += !needed(number) && allowed(&filters, THIS_ARCH, number);
        beyond += allowed(&filters, THIS_ARCH, number | X32_BIT);
        for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
            foreign += KNOWN[i] != THIS_ARCH && allowed(&filters, KNOWN[i], number);
    }
    show_bool("filter_seen", filters.count > 0);
    show_text("calls_beyond", beyond == 0 ? "none" : beyond < 8 ? "a few" : "many");
    show_text("foreign_calls", foreign == 0 ? "none" : "some");
}

int main(int argc, char *argv[])
{
    if (argc == 2 && strcmp(argv[1], "executed") == 0) {
        puts("executed");
        return 0;
    }
    protect_tester();
    show_text("descriptor_attack", attack_descriptor());
    show_text("connect_attack", attack_socket());
    show_text("exec_attack", try_attack("exec ./prober", "executed", NULL));
    long_input();
    input_in_bytes();
    malformed();
    ask_filter();
    show_end();
    return 0;
}
