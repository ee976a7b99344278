/* Prints observations that only the controller makes, and numbers that are the right one almost. */
#include <stdio.h>

int main(void)
{
    puts("{\"first\": 6, \"first\": 6.000000001, \"start_seconds\": 1, \"memory\": 1, \"contention\": 0, "
         "\"file_canary\": \"untouched\", \"exit_code\": 0, \"stdout\": \"\", \"signal\": null}");
    return 0;
}
