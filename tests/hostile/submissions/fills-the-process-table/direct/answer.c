/* Claims, as a tester would, that there was no room for the test. */
#include <stdio.h>

int main(void)
{
    printf("{\"tester_error\": \"cannot start a program: user id 1000 has all the 256 processes\"}\n");
    return 125;
}
