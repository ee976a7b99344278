/* Hearing what a stranger says: see hear.h. Man pages: poll(2), read(2), proc_pid_stat(5), opendir(3). */
#define _GNU_SOURCE 1
#include "hear.h"

#include "report.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    COUNT_MS = 25 * LOOK_MS, /* looking at all processes takes time that a slow machine has not got */
    CHUNK = 4096,
};

/* State and process group follow the last ')', for a program's name may contain one. */
static bool look_at(pid_t pid, char *state, long *group)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false; /* it has just gone */
    const char *after = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    bool known = after != NULL && sscanf(after + 1, " %c %*d %ld", state, group) == 2;
    if (fclose(file) == EOF)
        die(path);
    return known;
}

char process_state(pid_t pid)
{
    char state;
    long group;
    return look_at(pid, &state, &group) ? state : 'X';
}

static bool is_awake(pid_t pid, pid_t group)
{
    char state;
    long its_group;
    return look_at(pid, &state, &its_group) && its_group == group && strchr("STZX", state) == NULL;
}

bool all_asleep(pid_t group)
{
    bool awake = false;
    struct dirent *entry;
    if (group == 0)
        return true; /* the kernel's own are in it */
    DIR *processes = opendir("/proc");
    if (processes == NULL)
        die("/proc");
    while (!awake && (entry = readdir(processes)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]))
            awake = is_awake((pid_t)strtol(entry->d_name, NULL, 10), group);
    if (closedir(processes) == -1)
        die("/proc");
    return !awake;
}

bool still_patient(struct quiet *quiet, pid_t group, int silence)
{
    quiet->all += LOOK_MS;
    if (quiet->all % COUNT_MS == 0)
        quiet->asleep = all_asleep(group) ? quiet->asleep + COUNT_MS : 0;
    return quiet->asleep < silence && quiet->all < PATIENCE_MS;
}

void pause_between_looks(void)
{
    if (poll(NULL, 0, LOOK_MS) == -1 && errno != EINTR)
        die("poll");
}

/* Twice in a row: while the first look passes, one may wake another that was looked at already. */
bool falls_asleep(pid_t group)
{
    int in_a_row = 0;
    for (int waited = 0; in_a_row < 2 && waited < SILENCE_MS; waited += LOOK_MS) {
        if (waited > 0)
            pause_between_looks();
        in_a_row = all_asleep(group) ? in_a_row + 1 : 0;
    }
    return in_a_row == 2;
}

struct source open_source(int fd, pid_t group, size_t room)
{
    struct source source = {.fd = fd, .group = group, .text = calloc(room + 1, 1), .room = room};
    if (source.text == NULL)
        die("calloc");
    return source;
}

void close_end(int *fd)
{
    if (*fd != -1 && close(*fd) == -1)
        die("close");
    *fd = -1;
}

void close_source(struct source *source)
{
    close_end(&source->fd);
    free(source->text);
    source->text = NULL;
    source->taken = source->length = 0;
}

const char *said_on(const struct source *source)
{
    return source->text + source->taken;
}

static void keep(struct source *source, const char *bytes, size_t count)
{
    if (source->taken == source->length)
        source->taken = source->length = 0;
    size_t left = source->room - source->length, kept = count < left ? count : left;
    memcpy(source->text + source->length, bytes, kept);
    source->length += kept;
    source->text[source->length] = '\0';
    source->lost += count - kept;
}

int read_once(struct source *source)
{
    char bytes[CHUNK];
    ssize_t count = read(source->fd, bytes, sizeof bytes);
    if (count > 0) {
        keep(source, bytes, (size_t)count);
        return 1;
    }
    if (count == -1 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count == -1 && errno != ECONNRESET) /* a socket whose other end went with bytes unread: unix(7) */
        die("read");
    close_end(&source->fd);
    return -1;
}

/* Waits for more; false at the end, and after too long a silence. */
static bool hear_more_of(struct source *source)
{
    struct quiet quiet = {0, 0};
    int silence = source->silent ? LESS_SILENCE_MS : SILENCE_MS;
    while (source->fd != -1) {
        struct pollfd event = {.fd = source->fd, .events = POLLIN};
        int ready = poll(&event, 1, LOOK_MS);
        if (ready == -1 && errno != EINTR)
            die("poll");
        if (ready > 0 && read_once(source) == 1)
            return true;
        if (ready == 0 && !still_patient(&quiet, source->group, silence)) {
            source->silent = true;
            return false;
        }
    }
    return false;
}

static bool next_byte(struct source *source, char *byte)
{
    if (source->taken == source->length && !hear_more_of(source))
        return false;
    *byte = source->text[source->taken++];
    return true;
}

bool hear_line(struct source *source, char line[LINE_ROOM])
{
    size_t length = 0;
    char byte = '\0';
    while (next_byte(source, &byte) && byte != '\n')
        if (length < LINE_ROOM - 1)
            line[length++] = byte;
    line[length] = '\0';
    return byte == '\n';
}

size_t hear_bytes(struct source *source, char *bytes, size_t size)
{
    size_t length = 0;
    while (length < size - 1 && next_byte(source, &bytes[length]))
        length++;
    bytes[length] = '\0';
    return length;
}
