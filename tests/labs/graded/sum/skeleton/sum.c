#include <stdio.h>

int main(void)
{
    return puts("{\"answer\": 0, \"tidy\": true}") < 0;
}
