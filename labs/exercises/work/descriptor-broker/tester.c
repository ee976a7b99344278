/*
 * The visible tests: who gets a file and who does not, and who the broker is by then. Runs as root,
 * for the broker does when it starts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* The second number of a line with real, effective, saved and file system id. */
static long effective(pid_t broker, const char *key)
{
    char words[TEXT_SIZE];
    status_words(broker, key, words);
    const char *second = strchr(words, ' ');
    return second != NULL ? strtol(second, NULL, 10) : -1;
}

int main(void)
{
    bool ready;

    protect_tester();
    make_vault();
    struct child broker = start_broker(NULL, &ready);
    long uid = effective(broker.pid, "Uid"), gid = effective(broker.pid, "Gid");
    struct answer alice = ask(ALICE, "alpha", 5, 0);
    struct answer bob = ask(BOB, "alpha", 5, 0);

    show_bool("ready", ready);
    show_number("uid", uid);
    show_number("gid", gid);
    show_text("by_path", alice.open_error == EACCES ? "blocked (EACCES)" : "otherwise");
    show_text("entitled", told(&alice));
    show_text("refused", told(&bob));
    hear_out(&broker);
    show_text("ended", ending(&broker));
    end_child(&broker);
    show_end();
    return 0;
}
