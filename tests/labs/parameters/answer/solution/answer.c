#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    printf("{\"port\": %s, \"%s\": \"<%s>\"}\n", argv[1], argv[2], argv[3]);
}
