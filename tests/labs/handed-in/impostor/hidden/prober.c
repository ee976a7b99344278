/* Says what is not hoped for. */
#include <stdio.h>

int main(void)
{
    puts("{\"answer\": 41}");
    return 0;
}
