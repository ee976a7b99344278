/* A process in the container, as the outside sees it. */
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include <stdbool.h>
#include <sys/types.h>

struct outside_view {
    bool found;           /* it called, and the kernel told its number and its user */
    bool same_user;       /* outside it is the user who started it */
    int new_namespaces;   /* of user, PID, mount and UTS */
    long number_inside;   /* as the last of NSpid in /proc/PID/status; -1 if that is the only one */
    bool user_mapped;     /* root inside is that user and nobody else is anybody */
    bool group_mapped;
    bool setgroups_denied;
    bool same_mounts; /* the outside has as many as before */
};

/* Runs the container with "./prober call" in it, which says who it is by SCM_CREDENTIALS. */
struct outside_view look_from_outside(void);

/* The command: calls, and stays until it has been looked at. */
int call_outside(void);

#endif
