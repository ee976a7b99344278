/* One run of the student's parser; see trial.h. Man pages: proc(5), seccomp(2). */
#include "trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/child.h"

enum { ROOM = 4096 };

static const char NEXT_RIGHT[] = "numbers 2 sum 42 texts 0 bytes 0\n";

void add_record(struct input *input, char type, const char *payload)
{
    size_t length = strlen(payload);
    if (length > 0xffff || input->length + 3 + length > INPUT_SIZE)
        die("a record too many");
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
    char program[] = "./service", first[LINE_ROOM], process[16];
    char *const argv[] = {program, NULL};
    struct trial trial = {0};
    struct child child = start_child(argv, prepare, ROOM);

    trial.ready_first = hear_line(&child.out, first) && strcmp(first, "ready") == 0;
    snprintf(process, sizeof process, "%d", (int)child.pid);
    trial.filter_added = filters_of(process) > filters_of("self");
    for (size_t at = 0; at < input->length; at += piece) {
        size_t left = input->length - at;
        if (!tell(&child, input->bytes + at, left < piece ? left : piece))
            break;
    }
    hear_out(&child);
    snprintf(trial.answer, sizeof trial.answer, "%s", said_on(&child.out));
    snprintf(trial.ended, sizeof trial.ended, "%s", ending(&child));
    end_child(&child);
    return trial;
}

void show_answer(const char *name, const struct trial *trial)
{
    size_t length = strlen(trial->answer);
    bool whole = length > 0 && trial->answer[length - 1] == '\n';
    show_bytes(name, trial->answer, whole ? length - 1 : length, ANSWER_SIZE);
}

const char *try_attack(const char *command, const char *mark, void (*prepare)(void))
{
    static struct input input;
    input.length = 0;
    add_record(&input, 'N', "12");
    add_record(&input, 'X', command);
    add_record(&input, 'N', "30");
    struct trial trial = try_input(&input, input.length, prepare);
    fprintf(stderr, "attack '%s': %s\n", command, trial.ended);
    if (mark != NULL && strstr(trial.answer, mark) != NULL)
        return "succeeded";
    if (strcmp(trial.ended, "signal SIGSYS") == 0)
        return "killed";
    return strcmp(trial.answer, NEXT_RIGHT) == 0 ? "denied" : "the parser failed";
}
