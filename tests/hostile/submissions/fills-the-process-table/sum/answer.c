/* Answers, and leaves processes in sessions of their own that take every place that becomes free. */
#include <stdio.h>
#include <unistd.h>

static void stay(void)
{
    setsid();
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    for (;;) {
        fork();
        usleep(2000);
    }
}

int main(void)
{
    printf("1\n");
    fflush(stdout);
    if (fork() == 0)
        stay();
    sleep(1);
    return 0;
}
