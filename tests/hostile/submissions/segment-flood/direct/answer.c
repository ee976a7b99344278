/* Takes memory that outlives every process: System V segments. */
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

enum { MIB = 1 << 20, MOST = 2048 };

static void take_segments(void)
{
    for (int i = 0; i < MOST; i++) {
        int segment = shmget(IPC_PRIVATE, MIB, 0600);
        char *place = segment == -1 ? (char *)-1 : shmat(segment, NULL, 0);
        if (place == (char *)-1)
            return;
        memset(place, 1, MIB);
        shmdt(place);
    }
}

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    fflush(stdout);
    take_segments();
    return 0;
}
