/* A run of the student's runner; see limited.h. Man pages: cgroups(7), proc(5), mmap(2). */
#include "limited.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* A runner that moves its command late does so at once; this is far more than it needs. */
enum { AWAIT_MS = 2000, PAUSE_MS = 5, ROOM = 4096 };

/* Where the tester is: its commands find it in their environment. */
static const char OUTSIDE[] = "OUTSIDE_GROUP";

struct child start_limited(const char *program, const char *word, void (*prepare)(void))
{
    char service[] = "./service", memory[16], pids[16], command[32], argument[32], here[GROUP_SIZE];
    char *const argv[] = {service, memory, pids, command, argument, NULL};
    snprintf(memory, sizeof memory, "%d", (int)LIMIT);
    snprintf(pids, sizeof pids, "%d", (int)PIDS);
    snprintf(command, sizeof command, "%s", program);
    snprintf(argument, sizeof argument, "%s", word);
    group_of(getpid(), here);
    if (setenv(OUTSIDE, here, 1) == -1)
        die("setenv");
    return start_child(argv, prepare, ROOM);
}

static void keep_last_line(const char *said, char line[TEXT_SIZE])
{
    size_t end = strlen(said), start;
    while (end > 0 && said[end - 1] == '\n')
        end--;
    for (start = end; start > 0 && said[start - 1] != '\n'; start--)
        continue;
    snprintf(line, TEXT_SIZE, "%.*s", (int)(end - start), said + start);
}

struct run finish(struct child *child)
{
    struct run run;
    hear_out(child);
    keep_last_line(child->err.text, run.report);
    snprintf(run.out, sizeof run.out, "%s", said_on(&child->out));
    snprintf(run.ended, sizeof run.ended, "%s", ending(child));
    end_child(child);
    return run;
}

struct run run_limited(const char *program, const char *word)
{
    struct child child = start_limited(program, word, NULL);
    return finish(&child);
}

void group_of(pid_t pid, char path[GROUP_SIZE])
{
    char name[64], line[GROUP_SIZE + 8];
    path[0] = '\0';
    snprintf(name, sizeof name, "/proc/%d/cgroup", (int)pid);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "0::", 3) == 0) /* version 2: cgroups(7) */
            snprintf(path, GROUP_SIZE, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    fclose(file);
}

bool group_exists(const char *path)
{
    char where[GROUP_SIZE + 32];
    snprintf(where, sizeof where, HIERARCHY "%s", path);
    return access(where, F_OK) == 0;
}

void await_group(char path[GROUP_SIZE])
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    const char *outside = getenv(OUTSIDE);
    for (int waited = 0; waited < AWAIT_MS; waited += PAUSE_MS) {
        group_of(getpid(), path);
        if (outside == NULL || strcmp(path, outside) != 0)
            return;
        nanosleep(&pause, NULL);
    }
}

void touch(size_t size)
{
    long page = sysconf(_SC_PAGESIZE);
    int protection = PROT_READ | PROT_WRITE;
    char *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    for (size_t at = 0; at < size; at += (size_t)page)
        ((volatile char *)memory)[at] = 1;
}

void group_file(const char *path, const char *file, char text[TEXT_SIZE])
{
    char where[GROUP_SIZE + 64];
    text[0] = '\0';
    snprintf(where, sizeof where, HIERARCHY "%s/%s", path, file);
    FILE *stream = fopen(where, "re");
    if (stream == NULL)
        return;
    if (fgets(text, TEXT_SIZE, stream) == NULL)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(stream);
}
