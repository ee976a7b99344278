/* Prints a number of more digits than Python converts, as its last line. */
#include <stdio.h>

int main(void)
{
    printf("{\"first\": ");
    for (int i = 0; i < 20000; i++)
        putchar('6');
    puts("}");
    return 0;
}
