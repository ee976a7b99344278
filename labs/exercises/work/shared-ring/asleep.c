/* Waiting until another process waits: see asleep.h. */
#include "asleep.h"

#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS = 3000 };

static const struct timespec BETWEEN_LOOKS = {0, 10000000};

bool falls_asleep(pid_t pid)
{
    for (int look = 0; look < LOOKS; look++) {
        char state = process_state(pid);
        if (strchr("SZX", state) != NULL)
            return true;
        nanosleep(&BETWEEN_LOOKS, NULL);
    }
    return false;
}

char *object_name(const char *what)
{
    static char name[200];
    const char *tag = getenv("ISOLAB_TAG");
    snprintf(name, sizeof name, "/%.120s-%s", tag == NULL ? "ring" : tag, what);
    return name;
}

bool object_exists(const char *name)
{
    int fd = shm_open(name, O_RDONLY, 0);
    if (fd == -1)
        return false;
    close(fd);
    return true;
}
