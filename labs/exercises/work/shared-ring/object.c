/* The shared memory objects that testers meet: see object.h. Man page: shm_open(3). */
#include "object.h"

#include "../support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

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
    close_end(&fd);
    return true;
}

void remove_object(const char *name)
{
    if (shm_unlink(name) == -1 && errno != ENOENT)
        die(name);
}
