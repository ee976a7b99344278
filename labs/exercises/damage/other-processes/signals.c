/*
 * May a program disturb other processes? It sends SIGTERM to a process of the same user on the
 * host, and to one of another user, by the numbers they have there. kill(2): the sender's real or
 * effective user id must be the target's real or saved one. Which process a number names depends
 * on the sender's pid namespace (pid_namespaces(7)), so that inside a boundary it is nobody, or
 * somebody else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char *disturb(const char *variable)
{
    const char *text = getenv(variable);
    pid_t pid = text == NULL ? 0 : (pid_t)strtol(text, NULL, 10);

    if (pid <= 1)
        return "no target";
    /* A number of the host may by chance be ours or our parent's in here. */
    if (pid == getpid() || pid == getppid())
        return "blocked";
    printf("SIGTERM to the host's process by its number there: ");
    if (kill(pid, SIGTERM) == 0) {
        puts("sent");
        return "sent";
    }
    puts(strerror(errno));
    return "blocked";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *same = disturb("ISOLAB_CANARY_PID");
    const char *other = disturb("ISOLAB_CANARY_OTHER_PID");
    printf("{\"same_user\": \"%s\", \"other_user\": \"%s\"}\n", same, other);
    return 0;
}
