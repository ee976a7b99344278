/* One run of the student's parser; see trial.h. Man pages: proc(5), seccomp(2). */
#include "trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"

static const char NEXT_RIGHT[] = "numbers 2 sum 42 texts 0 bytes 0\n";

void add_record(struct input *input, char type, const char *payload)
{
    size_t length = strlen(payload);
    if (length > 0xffff || input->length + 3 + length > INPUT_SIZE) {
        fprintf(stderr, "a record too many\n");
        exit(1);
    }
    unsigned char *next = input->bytes + input->length;
    next[0] = (unsigned char)type;
    next[1] = (unsigned char)(length >> 8);
    next[2] = (unsigned char)length;
    memcpy(next + 3, payload, length);
    input->length += 3 + length;
}

/* How many filters a process has; none where there is no such process any more. */
static long filters_of(const char *process)
{
    static const char KEY[] = "Seccomp_filters:";
    char path[64], line[256];
    long count = 0;
    snprintf(path, sizeof path, "/proc/%s/status", process);
    FILE *status = fopen(path, "re");
    if (status == NULL)
        return 0;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, KEY, strlen(KEY)) == 0)
            count = strtol(line + strlen(KEY), NULL, 10);
    fclose(status);
    return count;
}

struct trial try_input(const struct input *input, size_t piece, void (*prepare)(void))
{
    char program[] = "./service", first[HEARD_SIZE], process[16];
    char *const argv[] = {program, NULL};
    struct trial trial = {0};
    struct child child = start_child(argv, prepare);

    hear_line(child.out, first, sizeof first);
    trial.ready_first = strcmp(first, "ready\n") == 0;
    snprintf(process, sizeof process, "%d", (int)child.pid);
    trial.filter_added = filters_of(process) > filters_of("self");
    for (size_t at = 0; at < input->length; at += piece) {
        size_t left = input->length - at;
        if (!tell(child.in, input->bytes + at, left < piece ? left : piece))
            break;
    }
    close_end(&child.in);
    hear(child.out, trial.answer, sizeof trial.answer);
    trial.status = end_child(&child);
    return trial;
}

const char *ending(int status)
{
    static char text[32];
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return "killed by SIGSYS";
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof text, "exited %d", WEXITSTATUS(status));
    return text;
}

const char *plain(char answer[HEARD_SIZE])
{
    for (char *at = answer; *at != '\0'; at++)
        if (*at == '\n' && at[1] == '\0')
            *at = '\0';
        else if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
            *at = '?';
    return answer;
}

const char *try_attack(const char *command, const char *mark, void (*prepare)(void))
{
    static struct input input;
    input.length = 0;
    add_record(&input, 'N', "12");
    add_record(&input, 'X', command);
    add_record(&input, 'N', "30");
    struct trial trial = try_input(&input, input.length, prepare);
    bool came_out = mark != NULL && strstr(trial.answer, mark) != NULL;
    bool right = strcmp(trial.answer, NEXT_RIGHT) == 0;
    printf("attack '%s': %s, '%s'\n", command, ending(trial.status), plain(trial.answer));
    if (came_out)
        return "succeeded";
    if (WIFSIGNALED(trial.status) && WTERMSIG(trial.status) == SIGSYS)
        return "killed";
    return right ? "denied" : "the parser failed";
}
