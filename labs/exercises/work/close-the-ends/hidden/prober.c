/*
 * The hidden tests of pair: records in pieces, input that ends too early, an interruption, sums beyond 32
 * bits, and a writer that still has something to say when its reader has gone.
 */
#include "../../support/child.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define END "0000000000000000"

enum {
    MUCH = 4 << 20, /* bytes: more than two pipes hold, also with pages of 64 KiB */
    ROOM = 4096,
};

static char *const command[] = {"./pair", NULL};

static void tell_text(struct child *pair, const char *text)
{
    tell(pair, text, strlen(text));
}

static void show_answer(const char *name, struct child *pair)
{
    char line[LINE_ROOM];
    hear_line(&pair->out, line);
    show_text(name, line);
}

static void whole(const char *name, const char *text)
{
    struct child pair = run_to_end(command, text, strlen(text), ROOM);
    show_answer(name, &pair);
    end_child(&pair);
}

/* Each piece is read before the next one comes. */
static void in_pieces(void)
{
    static const char *const pieces[] = {"0", "00000000000007", "0000000000000000", "700000000000",
                                         "00063", END};

    struct child pair = start_child(command, NULL, ROOM);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (i > 0)
            falls_asleep(pair.pid);
        tell_text(&pair, pieces[i]);
    }
    hear_out(&pair);
    show_answer("in_pieces", &pair);
    end_child(&pair);
}

static void interrupted(void)
{
    struct child pair = start_child(command, NULL, ROOM);
    tell_text(&pair, "0000000000000100");
    falls_asleep(pair.pid);
    if (kill(-pair.pid, SIGUSR1) == -1)
        die("kill"); /* it is there, if only to be reaped */
    while (pair.err.length < 2 && hear_more(&pair))
        continue;
    tell_text(&pair, "00000000000001000000000000000100" END);
    hear_out(&pair);
    show_number("signs_of_life", (long)strspn(pair.err.text, "."));
    show_answer("after_signals", &pair);
    end_child(&pair);
}

static void reader_gone(void)
{
    static char much[MUCH];

    memset(much, '5', sizeof much);
    struct child pair = start_child(command, NULL, ROOM);
    tell_text(&pair, "0000000000000001" END);
    tell(&pair, much, sizeof much);
    hear_out(&pair);
    show_answer("reader_gone", &pair);
    show_text("writer_notices", ending(&pair));
    end_child(&pair);
}

int main(void)
{
    protect_tester();
    in_pieces();
    whole("input_ends", "0000000000000010" "0000000000000020" "00000");
    interrupted();
    whole("large_sum", "9999999999999999" "9999999999999999" "0000000000000003" END);
    reader_gone();
    show_end();
    return 0;
}
