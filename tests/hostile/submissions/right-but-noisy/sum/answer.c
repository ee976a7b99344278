/* Right, with 100 kB of chatter on standard error. */
#include <stdio.h>

int main(void)
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    for (int i = 0; i < 2000; i++)
        fprintf(stderr, "%06d: the sum so far is a number, a number it is\n", i);
    printf("%lld\n", sum);
    return 0;
}
