/* Prints JSON that is nested more deeply than a parser's stack, as its last line. */
#include <stdio.h>

int main(void)
{
    printf("{\"first\": ");
    for (int i = 0; i < 20000; i++)
        putchar('[');
    puts("");
    return 0;
}
