/* Sets the clock back to 1970, by every call there is, and answers. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    struct timespec epoch = {0, 0};
    struct timeval then = {0, 0};
    struct timex slow = {.modes = ADJ_TICK, .tick = 9000};
    while (scanf("%lld", &number) == 1)
        sum += number;
    int set = clock_settime(CLOCK_REALTIME, &epoch) == 0 || settimeofday(&then, NULL) == 0 || adjtimex(&slow) != -1;
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", set ? -1 : sum);
    return 0;
}
