/* Answers, and leaves as many sleeping processes in sessions of their own as it may have. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("0\n");
    fflush(stdout);
    for (int i = 0; i < 1000; i++) {
        pid_t pid = fork();
        if (pid != 0)
            continue;
        setsid();
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        for (;;)
            pause();
    }
    sleep(1);
    return 0;
}
