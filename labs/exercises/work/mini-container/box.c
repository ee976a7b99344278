/* A run of the student's container; see box.h. */
#include "box.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096 };

struct child start_boxed(const char *program, const char *word, void (*prepare)(void))
{
    char service[] = "./service", name[] = BOX_NAME, command[32], argument[32];
    char *const argv[] = {service, name, command, argument, NULL};
    snprintf(command, sizeof command, "%s", program);
    snprintf(argument, sizeof argument, "%s", word);
    return start_child(argv, prepare, ROOM);
}

struct run finish(struct child *child)
{
    struct run run;
    hear_out(child);
    snprintf(run.out, sizeof run.out, "%s", said_on(&child->out));
    snprintf(run.ended, sizeof run.ended, "%s", ending(child));
    end_child(child);
    return run;
}

struct run run_boxed(const char *program, const char *word, void (*prepare)(void))
{
    struct child child = start_boxed(program, word, prepare);
    return finish(&child);
}

long number_of(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = text; (at = strstr(at, key)) != NULL; at += length)
        if ((at == text || at[-1] == ' ') && at[length] == '=')
            return strtol(at + length + 1, NULL, 10);
    return -1;
}

int count_entries(const char *path, bool numbers)
{
    int count = 0;
    struct dirent *entry;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    while ((entry = readdir(folder)) != NULL) {
        char first = entry->d_name[0];
        count += numbers ? first >= '1' && first <= '9' : first != '.';
    }
    closedir(folder);
    return count;
}

int count_lines(const char *path)
{
    int count = 0, byte;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while ((byte = getc(file)) != EOF)
        count += byte == '\n';
    fclose(file);
    return count;
}
