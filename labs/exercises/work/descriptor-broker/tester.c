/*
 * The visible tests: who gets a file and who does not, and who the broker is by then. Runs as root,
 * for the broker does when it starts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

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

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    be_opaque();
    make_vault();
    struct child broker = start_broker(NULL, &ready);
    long uid = effective(broker.pid, "Uid"), gid = effective(broker.pid, "Gid");
    struct answer alice = ask(ALICE, "alpha", 5, 0);
    struct answer bob = ask(BOB, "alpha", 5, 0);

    printf("{\"ready\": %s, \"uid\": %ld, \"gid\": %ld, ", json_bool(ready), uid, gid);
    printf("\"by_path\": \"%s\", ", alice.open_error == EACCES ? "blocked (EACCES)" : "otherwise");
    printf("\"entitled\": \"%s\", ", told(&alice));
    printf("\"refused\": \"%s\", ", told(&bob));
    printf("\"ended\": \"%s\"}\n", stop_broker(&broker));
    return 0;
}
