/*
 * What students see tested: the service answers its own user, and ends when that user says so.
 *
 * Man pages: unix(7), getuid(2).
 */
#define _GNU_SOURCE
#include "client.h"

/* User ids differ between machines: tells whether it is ours. */
static void show_user(struct source *line)
{
    char answer[LONGEST], ours[LONGEST];
    snprintf(ours, sizeof ours, "uid %u", (unsigned)getuid());
    ask(line, "whoami\n", answer);
    show("whoami", strcmp(answer, ours) == 0 ? "our uid" : answer);
}

int main(void)
{
    char word[LONGEST];
    guard();
    if (unlink(DESK) == -1 && errno != ENOENT)
        die(DESK);
    struct child service = open_desk(NULL, word);
    show("started", word);
    struct source line = call_desk();
    show_user(&line);
    ask_and_show(&line, "get", "get\n");
    ask_and_show(&line, "set", "set red\n");
    hang_up(&line);
    line = call_desk();
    ask_and_show(&line, "get_again", "get\n");
    ask_and_show(&line, "introduced", "i-am the king\n");
    ask_and_show(&line, "nonsense", "sit down\n");
    ask(&line, "stop\n", word);
    show("stop", word);
    show_end("ended", strcmp(word, "ok") == 0 ? reap(&service) : end(&service));
    hang_up(&line);
    if (unlink(DESK) == -1 && errno != ENOENT)
        die(DESK);
    printf("}\n");
    return 0;
}
