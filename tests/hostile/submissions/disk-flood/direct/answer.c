/* Fills every file system that it may write to, and answers then. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 16];

static void fill(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    while (fd != -1 && write(fd, block, sizeof block) > 0)
        continue;
}

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    fflush(stdout);
    fill("flood");
    fill("/tmp/flood");
    fill("/dev/shm/flood");
    fill("/var/tmp/flood");
    fill("/dev/mqueue/flood");
    return 0;
}
