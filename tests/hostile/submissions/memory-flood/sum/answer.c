/* Takes all memory and touches it. */
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

int main(void)
{
    for (;;) {
        char *more = malloc(MIB);
        if (more != NULL)
            memset(more, 1, MIB);
    }
}
