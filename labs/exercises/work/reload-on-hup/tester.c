/*
 * What students see tested: the daemon answers by its configuration, takes a new one at SIGHUP, keeps
 * the old one when there is none to take, and ends at SIGTERM.
 *
 * Man pages: signal(7), kill(2), rename(2).
 */
#define _GNU_SOURCE
#include "client.h"

static void ask_and_show(struct child *daemon, const char *name, const char *request)
{
    char answer[LONGEST];
    ask(daemon, request, answer);
    show(name, answer);
}

int main(void)
{
    char word[LONGEST];
    guard();
    configure("greeting Hello\ntimes 1\nend\n");
    struct child daemon = start_daemon(NULL, word);
    show("started", word);
    ask_and_show(&daemon, "before", "Ada\n");
    configure("greeting Good day\ntimes 1\nend\n");
    hang_up(&daemon, word);
    show("hang_up", word);
    ask_and_show(&daemon, "after", "Grace\n");
    if (unlink(CONFIGURATION) == -1)
        die(CONFIGURATION);
    hang_up(&daemon, word);
    show("hang_up_without_file", word);
    ask_and_show(&daemon, "after_without_file", "Alan\n");
    signal_it(&daemon, SIGTERM);
    tell_end(reap(&daemon), word);
    show("terminated", word);
    printf("}\n");
    return 0;
}
