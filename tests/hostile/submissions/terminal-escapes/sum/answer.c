/* Wrong, with escapes in what the tester repeats. */
#include <stdio.h>

int main(void)
{
    printf("\033[2J\033]0;graded\007\x9b" "31m");
    fprintf(stderr, "\033[2J\033]0;graded\007\n");
    return 0;
}
