/*
 * Runs ./service with programs that fill both pipes, that leave early, or that look around.
 *
 * What is right is not known here: the first line of each report is printed as it came.
 */
#include "../../support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than two pipes hold where pages are 64 KiB, and so a pipe 1 MiB: pipe(7). */
enum { MUCH = 4 << 20, ROOM = MUCH + 4096, GATES = 3, SOME = 1 << 18, SECONDS = 3 };

static char much[MUCH];

/* The same bytes on every machine, NULs and all others among them. */
static void fill(void)
{
    uint32_t state = 2463534242u;
    for (size_t i = 0; i < sizeof much; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        much[i] = (char)(state >> 24);
    }
}

static size_t first_line(const struct child *child)
{
    const char *end = memchr(child->out.text, '\n', child->out.length);
    return end == NULL ? child->out.length : (size_t)(end - child->out.text) + 1;
}

static void show(const char *key, const struct child *child, size_t most)
{
    if (strcmp(ending(child), "exit 0") == 0)
        show_bytes(key, child->out.text, child->out.length, most);
    else
        show_text(key, ending(child));
}

static struct child talk(char *program, char *mode, size_t length)
{
    char *const argv[] = {"./service", program, mode, NULL};
    return run_to_end(argv, much, length, ROOM);
}

static void copy_much(void)
{
    struct child child = talk("./filter", "copy", sizeof much);
    size_t line = first_line(&child);
    show("both_full", &child, line);
    show_bool("both_full_intact", child.out.length == line + sizeof much &&
                                      memcmp(child.out.text + line, much, sizeof much) == 0);
    end_child(&child);
}

static void pour_first(void)
{
    struct child child = talk("./traps", "pour-first", MUCH);
    show("pours_first", &child, first_line(&child));
    show_text("pours_first_read", child.out.length > 8 ? child.out.text + child.out.length - 8 : "");
    end_child(&child);
}

/* How much went into the pipe before it broke is chance; that it was not all is not. */
static void show_rest(const char *key, const char *sent_all_key, char *mode)
{
    struct child child = talk("./traps", mode, MUCH);
    unsigned long sent = MUCH;
    char rest[64] = "";
    if (sscanf(child.out.text, "sent %lu %63[^\n]", &sent, rest) < 2)
        rest[0] = '\0';
    show_text(key, rest);
    if (sent_all_key != NULL)
        show_bool(sent_all_key, sent >= MUCH);
    end_child(&child);
}

static void ask(const char *key, char *mode, size_t length)
{
    struct child child = talk("./traps", mode, length);
    show(key, &child, 200);
    end_child(&child);
}

/* Processor time enough for what is to be done; it keeps one that spins from using up all that there is. */
static void spin_for_seconds_only(void)
{
    const struct rlimit few = {SECONDS, SECONDS};
    if (setrlimit(RLIMIT_CPU, &few) == -1)
        die("setrlimit");
}

/* How often the service sleeps while the program does: one that spins is ended for its processor time. */
static void wait_at_gates(void)
{
    char *const argv[] = {"./service", "./traps", "gates", NULL};
    int asleep = 0;
    if (unlink("gate") == -1 && errno != ENOENT)
        die("gate");
    if (mkfifo("gate", 0600) == -1)
        die("gate");
    int gate = open("gate", O_RDWR | O_CLOEXEC); /* on Linux that waits for nobody: fifo(7) */
    if (gate == -1)
        die("gate");
    struct child child = start_child(argv, spin_for_seconds_only, ROOM);
    if (tell(&child, much, SOME)) {
        close_end(&child.in);
        for (int i = 0; i < GATES && falls_asleep(child.pid) && process_state(child.pid) == 'S'; i++) {
            asleep++;
            if (write(gate, "", 1) != 1)
                die("gate");
        }
    }
    show_number("sleeps", asleep);
    end_child(&child);
    close_end(&gate);
}

int main(void)
{
    char *const nobody[] = {"./service", "./no-such-program", NULL};
    protect_tester();
    fill();
    copy_much();
    pour_first();
    show_rest("leaves_early", "leaves_early_sent_all", "leave");
    show_rest("deaf", NULL, "deaf");
    ask("mute", "mute", MUCH);
    ask("dies", "die", 10);
    ask("descriptors", "descriptors", 0);
    ask("sigpipe", "sigpipe", 0);
    wait_at_gates();
    struct child child = run_to_end(nobody, "", 0, ROOM);
    show("not_there", &child, 200);
    end_child(&child);
    show_end();
    return 0;
}
