/* Prints the hidden numbers, and adds them in the visible step. */
#include <stdio.h>

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    FILE *more = fopen("hidden/more.txt", "r");
    while (more != NULL && fscanf(more, "%lld", &number) == 1) {
        sum += number;
        printf("one of them is %lld\n", number);
    }
    printf("{\"first\": 6, \"told\": %lld, \"of\": %d, \"name\": \"%s\"}\n", sum, argc, argc > 1 ? argv[1] : "");
    return 0;
}
