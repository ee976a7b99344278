/*
 * What students see tested: the service answers its own user, and ends when that user says so.
 *
 * Man pages: unix(7), getuid(2).
 */
#define _GNU_SOURCE 1
#include "client.h"

/* User ids differ between machines: tells whether it is ours. */
static void show_user(struct source *line)
{
    char answer[LINE_ROOM], ours[LINE_ROOM];
    snprintf(ours, sizeof ours, "uid %u", (unsigned)getuid());
    ask(line, "whoami\n", answer);
    show_text("whoami", strcmp(answer, ours) == 0 ? "our uid" : answer);
}

int main(void)
{
    char word[LINE_ROOM];
    protect_tester();
    if (unlink(DESK) == -1 && errno != ENOENT)
        die(DESK);
    struct child service = open_desk(NULL, word);
    show_text("started", word);
    struct source line = call_desk(&service);
    show_user(&line);
    ask_and_show(&line, "get", "get\n");
    ask_and_show(&line, "set", "set red\n");
    close_source(&line);
    line = call_desk(&service);
    ask_and_show(&line, "get_again", "get\n");
    ask_and_show(&line, "introduced", "i-am the king\n");
    ask_and_show(&line, "nonsense", "sit down\n");
    ask(&line, "stop\n", word);
    show_text("stop", word);
    if (strcmp(word, "ok") == 0)
        await_end(&service);
    close_desk(&service);
    show_text("ended", ending(&service));
    close_source(&line);
    show_end();
    return 0;
}
