/* Answers, closes all that it has, and goes on computing for ever. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("{\"first\": 6}\n");
    fflush(stdout);
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    for (volatile unsigned i = 0;; i++)
        continue;
}
