/* Prints JSON that some readers choke on: half surrogates, NUL, no numbers, names that mean something. */
#include <stdio.h>

int main(void)
{
    puts("{\"first\": \"\\ud800 \\udfff \\u0000 \\u202e\", \"third\": 1e999, \"fourth\": NaN, \"__proto__\": {}}");
    return 0;
}
