/*
 * client.h - configures the daemon, signals it, asks it, and hears what it reports.
 *
 * Man pages: rename(2), kill(2), waitpid(2).
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "../support/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWERS_ROOM = 64 * 1024 };

static char CONFIGURATION[] = "service.conf";
static const char NEXT_CONFIGURATION[] = "service.conf.new";

static inline void put(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, text, length) != (ssize_t)length)
        die(path);
    close_end(&fd);
}

/* Into another file first: the daemon finds the old one or the new one, whole. */
static inline void configure_bytes(const char *text, size_t length)
{
    put(NEXT_CONFIGURATION, text, length);
    if (rename(NEXT_CONFIGURATION, CONFIGURATION) == -1)
        die("rename");
}

static inline void configure(const char *text)
{
    configure_bytes(text, strlen(text));
}

/* The daemon's next report, whatever else it says on standard error: "silent" or "ended" if none. */
static inline void report_of(struct child *daemon, char word[LINE_ROOM])
{
    while (hear_line(&daemon->err, word))
        if (strcmp(word, "ready") == 0 || strcmp(word, "reloaded") == 0 || strcmp(word, "kept") == 0)
            return;
    snprintf(word, LINE_ROOM, daemon->err.silent ? "silent" : "ended");
}

static inline struct child start_program(char *program, void (*prepare)(void), char word[LINE_ROOM])
{
    char *argv[] = {program, CONFIGURATION, NULL};
    struct child daemon = start_child(argv, prepare, ANSWERS_ROOM);
    report_of(&daemon, word);
    return daemon;
}

static inline struct child start_daemon(void (*prepare)(void), char word[LINE_ROOM])
{
    char program[] = "./service";
    return start_program(program, prepare, word);
}

/* It may have ended already, which is found out by what it does not say: ESRCH is impossible here. */
static inline void signal_it(const struct child *daemon, int number)
{
    if (kill(daemon->pid, number) == -1)
        die("kill");
}

/* When it waits: this is not about signals at bad moments. */
static inline void hang_up(struct child *daemon, char word[LINE_ROOM])
{
    (void)falls_asleep(daemon->pid); /* who never sleeps gets it all the same */
    signal_it(daemon, SIGHUP);
    report_of(daemon, word);
}

/* False if it does not read any more. */
static inline bool say(struct child *daemon, const char *text)
{
    return tell(daemon, text, strlen(text));
}

/* The next line of an answer; "." is the end of one. */
static inline void hear(struct child *daemon, char line[LINE_ROOM])
{
    if (daemon->out.silent || !hear_line(&daemon->out, line))
        snprintf(line, LINE_ROOM, "nothing");
}

/* Asks, and hears the first line of the answer only. */
static inline void begin_to_ask(struct child *daemon, const char *request, char line[LINE_ROOM])
{
    if (say(daemon, request))
        hear(daemon, line);
    else
        snprintf(line, LINE_ROOM, "nothing");
}

/* The first line of the answer, which is heard to its end. */
static inline void ask(struct child *daemon, const char *request, char first[LINE_ROOM])
{
    char line[LINE_ROOM];
    begin_to_ask(daemon, request, first);
    snprintf(line, sizeof line, "%s", first);
    while (strcmp(line, ".") != 0 && strcmp(line, "nothing") != 0)
        hear(daemon, line);
}

/* When it has been told to end. */
static inline void show_ending(const char *name, struct child *daemon)
{
    await_end(daemon);
    show_text(name, ending(daemon));
    end_child(daemon);
}

#endif
