/* Right, in C of 1978: parameters declared behind their names, jumps, no local variable that is not shared. */
#include <stdio.h>

long long sum, sign, digit;

long long longer(number, byte)
long long number;
int byte;
{
    return (number < 0 ? 0 : number * 10) + byte - '0';
}

int main()
{
    int byte;

    sign = 1, digit = -1;
next:
    byte = getchar();
    if (byte >= '0' && byte <= '9') {
        digit = longer(digit, byte);
        goto next;
    }
    if (digit >= 0)
        sum += sign * digit;
    digit = -1;
    sign = byte == '-' ? -1 : 1;
    if (byte != -1)
        goto next;
    printf("%lld\n", sum);
    return 0;
}
