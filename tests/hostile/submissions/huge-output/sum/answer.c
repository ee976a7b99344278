/* Prints 10 MB, and the right answer behind it. */
#include <stdio.h>

int main(void)
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    for (int i = 0; i < 1000000; i++)
        printf("%09d\n", i);
    printf("%lld\n", sum);
    return 0;
}
