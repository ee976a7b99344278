/*
 * An attack on the tests that come later: it puts a script in the place of the prober, and a link to the
 * root of the file system in the place of a folder that data is written to.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int put_script(void)
{
    FILE *script = fopen("instead", "w");
    if (script == NULL)
        return -1;
    int written = fputs("#!/bin/sh\necho '{\"answer\": 42}'\n", script);
    if (fclose(script) == EOF || written == EOF)
        return -1;
    return chmod("instead", 0755) == -1 ? -1 : rename("instead", "prober");
}

static int put_link(void)
{
    if (rename("data", "moved") == -1)
        return -1;
    return symlink("/", "data");
}

int main(void)
{
    if (put_script() == -1 || put_link() == -1) {
        perror("service");
        return 1;
    }
    puts("{\"replaced\": true}");
    return 0;
}
