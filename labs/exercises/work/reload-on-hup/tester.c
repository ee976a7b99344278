/*
 * What students see tested: the daemon answers by its configuration, takes a new one at SIGHUP, keeps
 * the old one when there is none to take, and ends at SIGTERM.
 *
 * Man pages: signal(7), kill(2), rename(2).
 */
#define _GNU_SOURCE 1
#include "client.h"

static void ask_and_show(struct child *daemon, const char *name, const char *request)
{
    char answer[LINE_ROOM];
    ask(daemon, request, answer);
    show_text(name, answer);
}

int main(void)
{
    char word[LINE_ROOM];
    protect_tester();
    configure("greeting Hello\ntimes 1\nend\n");
    struct child daemon = start_daemon(NULL, word);
    show_text("started", word);
    ask_and_show(&daemon, "before", "Ada\n");
    configure("greeting Good day\ntimes 1\nend\n");
    hang_up(&daemon, word);
    show_text("hang_up", word);
    ask_and_show(&daemon, "after", "Grace\n");
    if (unlink(CONFIGURATION) == -1)
        die(CONFIGURATION);
    hang_up(&daemon, word);
    show_text("hang_up_without_file", word);
    ask_and_show(&daemon, "after_without_file", "Alan\n");
    signal_it(&daemon, SIGTERM);
    show_ending("terminated", &daemon);
    show_end();
    return 0;
}
