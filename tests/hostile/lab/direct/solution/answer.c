/* The sum of the numbers on standard input, as the observation "first" or "second". */
#include <stdio.h>

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}
