/*
 * Hidden tests of the daemon: signals at the moments that hurt, and configurations that are not good.
 *
 * The bad moment is made, not hoped for: an answer that is longer than a pipe holds cannot be
 * finished while we do not read, so a signal sent after its first line comes during the answer.
 *
 * Man pages: signal(7), pipe(7), fcntl(2) "F_SETPIPE_SZ", sigprocmask(2).
 */
#define _GNU_SOURCE 1
#include "../client.h"

#include <sys/wait.h>

/* Longer than a pipe of one page holds, where pages are largest (64 KiB). */
enum { LINES = 5000, REQUESTS = 5000, STORM = 200 };

static const char OLD[] = "greeting Good morning to you\ntimes 5000\nend\n",
                  NEW[] = "greeting Good evening to you\ntimes 5000\nend\n",
                  OLD_LINE[] = "Good morning to you, Ada", NEW_LINE[] = "Good evening to you, Ada";

static void start(struct child *daemon, const char *configuration, void (*prepare)(void))
{
    char word[LINE_ROOM];
    configure(configuration);
    *daemon = start_daemon(prepare, word);
    if (fcntl(daemon->out.fd, F_SETPIPE_SZ, 4096) == -1)
        die("F_SETPIPE_SZ");
}

/* Hears an answer, the first line of which was `line`, to its end, and says whose it is. */
static void show_whose(struct child *daemon, const char *name, char line[LINE_ROOM])
{
    int old = 0, new = 0, all = 0;
    for (; strcmp(line, ".") != 0 && strcmp(line, "nothing") != 0; all++) {
        old += strcmp(line, OLD_LINE) == 0;
        new += strcmp(line, NEW_LINE) == 0;
        hear(daemon, line);
    }
    if (old == LINES && all == LINES)
        show_text(name, "the old one");
    else if (new == LINES && all == LINES)
        show_text(name, "the new one");
    else
        show_text(name, old + new == LINES && all == LINES ? "mixed" : "broken");
}

/* Configurations that must not be put in force. All would change the greeting. */
static void try_bad_ones(void)
{
    static const struct {
        const char *name, *text;
    } BAD[] = {
        {"half_written", "greeting Half\ntimes 2\n"},
        {"cut_within_end", "greeting Half\ntimes 2\nen"},
        {"end_without_newline", "greeting Half\ntimes 2\nend"},
        {"empty", ""},
        {"times_no_number", "greeting Bad\ntimes two\nend\n"},
        {"times_and_more", "greeting Bad\ntimes 2x\nend\n"},
        {"times_zero", "greeting Bad\ntimes 0\nend\n"},
        {"times_negative", "greeting Bad\ntimes -1\nend\n"},
        {"times_too_many", "greeting Bad\ntimes 5001\nend\n"},
        {"times_beyond_int", "greeting Bad\ntimes 4294967298\nend\n"},
        {"times_missing", "greeting Bad\nend\n"},
        {"greeting_missing", "times 2\nend\n"},
        {"greeting_empty", "greeting \ntimes 2\nend\n"},
        {"greeting_too_long", "greeting 12345678901234567890123456789012345678901\ntimes 2\nend\n"},
        {"twice", "greeting Bad\ntimes 2\ngreeting Worse\nend\n"},
        {"unknown_key", "greeting Bad\ntimes 2\ncolour red\nend\n"},
        {"more_after_end", "greeting Bad\ntimes 2\nend\ntimes 3\n"},
    };
    char word[LINE_ROOM];
    struct child daemon;
    start(&daemon, "greeting Hello\ntimes 1\nend\n", NULL);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        configure(BAD[i].text);
        hang_up(&daemon, word);
        show_text(BAD[i].name, word);
        if (i == 0) {
            ask(&daemon, "Ada\n", word);
            show_text("answer_after_half_written", word);
        }
    }
    ask(&daemon, "Ada\n", word);
    show_text("answer_after_bad_ones", word);
    configure("times 2\ngreeting 1234567890123456789012345678901234567890\nend\n");
    hang_up(&daemon, word);
    show_text("good_again", word);
    ask(&daemon, "Bo\n", word);
    show_text("answer_when_good_again", word);
    end_child(&daemon);
}

static void try_bad_start(void)
{
    char word[LINE_ROOM];
    configure("greeting Half\ntimes 2\n");
    struct child daemon = start_daemon(NULL, word);
    show_text("started_without_configuration", word);
    if (strcmp(word, "ended") == 0)
        await_end(&daemon);
    end_child(&daemon);
    bool error = !daemon.hung && WIFEXITED(daemon.status) && WEXITSTATUS(daemon.status) != 0;
    show_text("ended_with_error", error ? "yes" : "no");
}

/* As nohup(1) and careless parents leave it. */
static void block_and_ignore(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 || signal(SIGHUP, SIG_IGN) == SIG_ERR)
        die("preparing signals");
}

static void try_inherited(void)
{
    char word[LINE_ROOM];
    struct child daemon;
    start(&daemon, OLD, block_and_ignore);
    hang_up(&daemon, word);
    show_text("started_with_signals_blocked", word);
    signal_it(&daemon, SIGTERM);
    show_ending("ended_with_signals_blocked", &daemon);
}

/* Forty-one bytes; forty are a name. */
static void try_long_request(void)
{
    char line[LINE_ROOM];
    struct child daemon;
    start(&daemon, "greeting Hello\ntimes 1\nend\n", NULL);
    ask(&daemon, "12345678901234567890123456789012345678901\nAda\n", line);
    show_text("after_long_request", line);
    end_child(&daemon);
}

static void try_half_request(void)
{
    char word[LINE_ROOM];
    struct child daemon;
    start(&daemon, "greeting Hello\ntimes 1\nend\n", NULL);
    configure("greeting Good day\ntimes 1\nend\n");
    (void)say(&daemon, "A");
    hang_up(&daemon, word);
    show_text("during_half_a_request", word);
    ask(&daemon, "da\n", word);
    show_text("answer_to_two_halves", word);
    end_child(&daemon);
}

/* Whether it reloaded after all. */
static bool try_during_answer(void)
{
    char word[LINE_ROOM], line[LINE_ROOM];
    struct child daemon;
    start(&daemon, OLD, NULL);
    configure(NEW);
    begin_to_ask(&daemon, "Ada\n", line);
    signal_it(&daemon, SIGHUP);
    show_whose(&daemon, "answer_under_way", line);
    report_of(&daemon, word);
    show_text("after_the_answer", word);
    bool reloaded = strcmp(word, "reloaded") == 0;
    if (reloaded) {
        begin_to_ask(&daemon, "Ada\n", line);
        show_whose(&daemon, "next_answer", line);
    }
    end_child(&daemon);
    return reloaded;
}

/* There is always another request waiting, so it never has to wait for input. */
static void try_under_load(void)
{
    static char requests[4 * REQUESTS + 1];
    char line[LINE_ROOM], last[LINE_ROOM] = "nothing";
    struct child daemon;
    start(&daemon, "greeting Good morning to you\ntimes 1\nend\n", NULL);
    configure("greeting Good evening to you\ntimes 1\nend\n");
    for (int i = 0; i < REQUESTS; i++)
        memcpy(requests + 4 * i, "Ada\n", 5);
    begin_to_ask(&daemon, requests, line);
    signal_it(&daemon, SIGHUP);
    for (int answers = 0; strcmp(line, "nothing") != 0; hear(&daemon, line)) {
        if (strcmp(line, ".") != 0)
            snprintf(last, sizeof last, "%s", line);
        else if (++answers == REQUESTS)
            break;
    }
    show_text("last_answer_under_load", last);
    end_child(&daemon);
}

/* Whether it reloads when the signal comes between a look at a flag and the wait. */
static bool try_before_waiting(void)
{
    char program[] = "./meddled", word[LINE_ROOM], line[LINE_ROOM];
    bool sent = false, reloaded = false;
    configure(OLD);
    struct child daemon = start_program(program, NULL, word);
    while (!reloaded && hear_line(&daemon.err, line)) {
        sent = sent || strcmp(line, "meddled") == 0;
        reloaded = strcmp(line, "reloaded") == 0;
    }
    /* Nothing was sent where it waits by a function that is not meddled with. */
    show_text("just_before_waiting", reloaded ? "reloaded" : sent ? "missed" : "not tried");
    end_child(&daemon);
    return reloaded || !sent;
}

/* Each comes as soon as the one before was reported: as near as can be to the wait that follows. */
static void try_storm(void)
{
    char word[LINE_ROOM];
    int reloads = 0;
    struct child daemon;
    start(&daemon, OLD, NULL);
    for (int i = 0; i < STORM; i++) {
        signal_it(&daemon, SIGHUP);
        report_of(&daemon, word);
        if (strcmp(word, "reloaded") != 0)
            break;
        reloads++;
    }
    snprintf(word, sizeof word, "%d", reloads);
    show_text("reloads_in_a_storm", word);
    end_child(&daemon);
}

static void try_term_during_answer(void)
{
    char line[LINE_ROOM];
    struct child daemon;
    start(&daemon, OLD, NULL);
    begin_to_ask(&daemon, "Ada\n", line);
    signal_it(&daemon, SIGTERM);
    show_whose(&daemon, "answer_before_the_end", line);
    show_ending("terminated_during_answer", &daemon);
}

static void try_end_of_input(void)
{
    struct child daemon;
    start(&daemon, OLD, NULL);
    close_end(&daemon.in);
    show_ending("end_of_input", &daemon);
}

int main(void)
{
    protect_tester();
    try_bad_start();
    try_bad_ones();
    try_inherited();
    try_half_request();
    try_long_request();
    bool keeps_signals = try_before_waiting();
    if (try_during_answer() && keeps_signals) { /* else these may turn out one way or the other */
        try_storm();
        try_under_load();
    }
    try_term_during_answer();
    try_end_of_input();
    show_end();
    return 0;
}
