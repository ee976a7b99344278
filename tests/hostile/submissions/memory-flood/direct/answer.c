/* Takes all memory in many processes, so that killing one frees little. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20, FEW = 64 };

int main(void)
{
    for (int i = 0; i < FEW; i++)
        if (fork() == 0)
            for (;;) {
                char *more = malloc(MIB);
                if (more != NULL)
                    memset(more, 1, MIB);
                usleep(1000);
            }
    for (;;)
        pause();
}
