/* Prints the sum of the numbers on standard input, as the observation "first" or "second". */
#include <stdio.h>

int main(int argc, char *argv[])
{
    printf("{\"%s\": 0}\n", argc == 2 ? argv[1] : "");
    return 0;
}
