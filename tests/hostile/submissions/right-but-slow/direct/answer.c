/* Right and merely slow: sleeps for two seconds before it answers. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    sleep(2);
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}
