/* Prints JSON that some parsers choke on: deep, endless digits, half surrogates, no numbers. */
#include <stdio.h>

int main(void)
{
    puts("{\"first\": \"\\ud800 \\udfff \\u0000 \\u202e\", \"third\": 1e999, \"fourth\": NaN, \"__proto__\": {}}");
    printf("{\"first\": ");
    for (int i = 0; i < 5000; i++)
        putchar('9');
    puts("}");
    printf("{\"first\": ");
    for (int i = 0; i < 20000; i++)
        putchar('[');
    puts("");
    puts("{\"first\": \"\\ud800 \\udfff \\u0000 \\u202e\", \"third\": 1e999, \"fourth\": NaN, \"__proto__\": {}}");
    return 0;
}
