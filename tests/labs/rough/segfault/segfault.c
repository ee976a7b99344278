/* Dies of a real SIGSEGV, not of one that was sent. */
#include <stdint.h>

int main(void)
{
    *(volatile char *)(uintptr_t)16 = 1;
    return 0;
}
