/* Prints 900 kB, less than what stops it and more than what is kept, and the right answer behind it. */
#include <stdio.h>

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    for (int i = 0; i < 90000; i++)
        printf("%09d\n", i);
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}
