/*
 * The hidden tests of pair: records in pieces, input that ends too early, an interruption, sums beyond 32
 * bits, and a writer that still has something to say when its reader has gone.
 */
#define _GNU_SOURCE
#include "../talk.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define END "0000000000000000"

enum { MUCH = 4 << 20 }; /* bytes: more than two pipes hold, also with pages of 64 KiB */

static char *const command[] = {"./pair", NULL};

static void say_text(struct talk *talk, const char *text)
{
    say(talk, text, strlen(text));
}

static void whole(struct talk *talk, const char *text)
{
    start(talk, command);
    say_text(talk, text);
    hang_up(talk);
}

/* Each piece is read before the next one comes. */
static void in_pieces(struct talk *talk)
{
    static const char *const pieces[] = {"0", "00000000000007", "0000000000000000", "700000000000", "00063", END};

    start(talk, command);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        say_text(talk, pieces[i]);
        if (i + 1 < sizeof pieces / sizeof pieces[0])
            let_sleep(talk);
    }
    hang_up(talk);
}

static void interrupted(struct talk *talk)
{
    start(talk, command);
    say_text(talk, "0000000000000100");
    let_sleep(talk);
    if (kill(-talk->pid, SIGUSR1) == -1)
        perror("kill"); /* there is nobody any more: that shows in what it says */
    wait_for_errors(talk, 2);
    say_text(talk, "00000000000001000000000000000100" END);
    hang_up(talk);
}

static void reader_gone(struct talk *talk)
{
    static char much[MUCH];

    memset(much, '5', sizeof much);
    start(talk, command);
    say_text(talk, "0000000000000001" END);
    say(talk, much, sizeof much);
    hang_up(talk);
}

int main(void)
{
    static struct talk pieces, ends, interruption, large, gone;

    get_ready();
    in_pieces(&pieces);
    whole(&ends, "0000000000000010" "0000000000000020" "00000");
    interrupted(&interruption);
    whole(&large, "9999999999999999" "9999999999999999" "0000000000000003" END);
    reader_gone(&gone);

    printf("{");
    print_text("in_pieces", first_line(&pieces));
    printf(", ");
    print_text("input_ends", first_line(&ends));
    printf(", \"signs_of_life\": %zu, ", strspn(interruption.err.text, "."));
    print_text("after_signals", first_line(&interruption));
    printf(", ");
    print_text("large_sum", first_line(&large));
    printf(", ");
    print_text("reader_gone", first_line(&gone));
    printf(", ");
    print_text("writer_notices", how_it_ended(&gone));
    printf("}\n");
    return 0;
}
