/* Right, with chatter before it. */
#include <stdio.h>

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    for (int i = 0; i < 300; i++)
        printf("ok %d - the sum so far is a number\n{\"%d\": 7}\n", i, i);
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}
