/*
 * What students see tested: the program obeys its parent, and does not obey a sibling.
 *
 * Man pages: kill(2), getuid(2).
 */
#define _GNU_SOURCE 1
#include "sender.h"

static void send_as_sibling(const struct child *receiver, int number)
{
    pid_t sender = fork();
    if (sender == -1)
        cannot_start();
    if (sender == 0)
        _exit(kill(receiver->pid, number) == 0 ? 0 : 1);
    if (wait_for(sender) != 0)
        die("the sibling");
}

int main(void)
{
    char word[LINE_ROOM];
    protect_tester();
    struct child receiver = start_receiver(getuid(), NULL, word);
    show_text("started", word);
    send_as_parent(&receiver, SIGUSR1);
    hear_and_show(&receiver, "step_by_parent");
    send_as_sibling(&receiver, SIGUSR1);
    hear_and_show(&receiver, "step_by_sibling");
    send_as_sibling(&receiver, SIGUSR2);
    hear_and_show(&receiver, "report_by_user");
    send_as_sibling(&receiver, SIGTERM);
    hear_and_show(&receiver, "end_by_sibling");
    send_as_parent(&receiver, SIGTERM);
    hear(&receiver, word);
    show_text("end_by_parent", word);
    end_receiver(&receiver, word);
    show_text("ended", ending(&receiver));
    show_end();
    return 0;
}
