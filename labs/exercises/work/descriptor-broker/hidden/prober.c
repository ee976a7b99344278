/*
 * The hidden tests of the broker: what is left of root in it, whom it refuses, and whether it can
 * be worn out. Runs as root. Man pages: proc(5), capabilities(7), getrlimit(2), unix(7).
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../client.h"

enum { SPARE = 7, FEW_DESCRIPTORS = 64, MANY = 140, LONG_NAME = 4000, SURPLUS = 8 };

static int inherited; /* the end of a pipe that the broker is started with, by no fault of its own */

/* As root's shell might start it: with groups, with a descriptor too many, and with not many to have. */
static void start_carelessly(void)
{
    static const gid_t GROUPS[] = {0, 10, 4242};
    struct rlimit few = {FEW_DESCRIPTORS, FEW_DESCRIPTORS};
    if (setgroups(sizeof GROUPS / sizeof GROUPS[0], GROUPS) == -1)
        die("setgroups");
    if (dup2(inherited, SPARE) == -1 || setrlimit(RLIMIT_NOFILE, &few) == -1)
        die("prepare");
}

/* Whether nobody has the other end of the pipe any more. */
static bool is_closed(int read_end)
{
    struct pollfd end = {.fd = read_end, .events = POLLIN};
    return poll(&end, 1, 0) == 1 && (end.revents & POLLHUP) != 0;
}

static const char *capabilities_left(pid_t broker)
{
    static const char *const SETS[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    char words[TEXT_SIZE];
    for (size_t i = 0; i < sizeof SETS / sizeof SETS[0]; i++) {
        status_words(broker, SETS[i], words);
        if (words[0] == '\0' || strspn(words, "0") != strlen(words))
            return SETS[i];
    }
    return "none";
}

static void look_at_ids(pid_t broker)
{
    char words[TEXT_SIZE];
    status_words(broker, "Uid", words);
    show_text("uids", words);
    status_words(broker, "Gid", words);
    show_text("gids", words);
    status_words(broker, "Groups", words);
    show_text("groups", words[0] == '\0' ? "none" : words);
    show_text("capabilities", capabilities_left(broker));
}

static void ask_rightly(void)
{
    struct answer answer = ask(ALICE, "alpha", 5, 0);
    show_bool("read_only", answer.descriptors == 1 && answer.read_only);
    show_bool("one_descriptor", answer.descriptors == 1);
    answer = ask(BOB, "beta", 4, 0);
    show_text("bobs_beta", told(&answer));
    answer = ask(ALICE, "beta", 4, 0);
    show_text("alices_beta", told(&answer));
}

static void ask_wrongly(void)
{
    static char name[LONG_NAME];
    memset(name, 'a', sizeof name);
    struct answer answer = ask(STRANGER, "alpha", 5, 0);
    show_text("stranger", told(&answer));
    answer = ask(0, "alpha", 5, 0);
    show_text("root_asks", told(&answer));
    answer = ask(ALICE, "alph", 4, 0);
    show_text("shorter_name", told(&answer));
    answer = ask(ALICE, "alpha2", 6, 0);
    show_text("longer_name", told(&answer));
    answer = ask(ALICE, name, sizeof name, 0);
    show_text("long_name", told(&answer));
}

/* Another is served while one has connected and says nothing. */
static void ask_while_one_is_silent(void)
{
    int silent = connect_to_broker();
    struct answer answer = ask(ALICE, "alpha", 5, 0);
    show_text("served_meanwhile", told(&answer));
    if (silent != -1)
        close_end(&silent);
}

/* More requests than it can have descriptors, half of them refused, with descriptors nobody asked for. */
static void wear_out(void)
{
    for (int i = 0; i < MANY; i++) {
        struct answer answer = ask(i % 2 == 0 ? BOB : ALICE, "alpha", 5, i % 4 == 1 ? SURPLUS : 0);
        if (strcmp(answer.text, "no answer") == 0)
            break;
    }
    struct answer last = ask(ALICE, "alpha", 5, 0);
    show_text("after_many", told(&last));
}

int main(void)
{
    bool ready;
    int ends[2];

    protect_tester();
    make_vault();
    if (pipe2(ends, O_CLOEXEC) == -1)
        die("pipe2");
    inherited = ends[1];
    struct child broker = start_broker(start_carelessly, &ready);
    close_end(&ends[1]);

    show_bool("inherited_closed", ready && is_closed(ends[0]));
    look_at_ids(broker.pid);
    ask_rightly();
    ask_wrongly();
    ask_while_one_is_silent();
    wear_out();
    hear_out(&broker);
    show_text("ended_well", ending(&broker));
    end_child(&broker);
    show_end();
    return 0;
}
