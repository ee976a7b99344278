/* Right and merely slow: computes for a third of a second before it answers. */
#include <stdio.h>
#include <time.h>

int main(void)
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    while (clock() < CLOCKS_PER_SEC / 3)
        continue;
    printf("%lld\n", sum);
    return 0;
}
