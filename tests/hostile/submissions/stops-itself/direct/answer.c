/* Stops itself, and is not there to be waited for. */
#include <signal.h>

int main(void)
{
    raise(SIGSTOP);
    return 0;
}
