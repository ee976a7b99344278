/* Takes memory of the kernel that outlives every process: System V messages. */
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>

enum { MOST = 32000 };

static struct {
    long type;
    char text[8192];
} message = {.type = 1};

static void take_messages(void)
{
    for (int i = 0; i < MOST; i++) {
        int queue = msgget(IPC_PRIVATE, 0600);
        if (queue == -1)
            return;
        while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0)
            continue;
    }
}

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    while (scanf("%lld", &number) == 1)
        sum += number;
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    fflush(stdout);
    take_messages();
    return 0;
}
