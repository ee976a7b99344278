/* Prints for ever, on both streams. */
#include <stdio.h>

int main(void)
{
    for (;;) {
        puts("{\"first\": 6}");
        fputs("{\"first\": 6}\n", stderr);
    }
}
