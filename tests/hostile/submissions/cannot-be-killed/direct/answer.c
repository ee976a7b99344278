/* Ignores every signal, and sleeps in the kernel, uninterruptibly, for a child of vfork(2). */
#define _GNU_SOURCE 1
#include <signal.h>
#include <unistd.h>

int main(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    setsid();
    if (vfork() == 0)
        for (;;)
            pause();
    return 0;
}
