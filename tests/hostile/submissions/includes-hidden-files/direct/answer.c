/* Includes hidden numbers in a way that compiles, and prints them. */
#include <stdio.h>

#define TEXT(...) #__VA_ARGS__
#define QUOTED(x) TEXT(x)

static const long long numbers = 0 +
#include "hidden/more.txt"
    ;

int main(void)
{
    printf("%lld\n{\"first\": 6}\n", numbers);
    return 0;
}
