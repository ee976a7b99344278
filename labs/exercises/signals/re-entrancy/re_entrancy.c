/*
 * Re-entrancy: a function interrupted half-way by a handler that calls the same function.
 *
 * Three victims: a linked list of our own, a function with a static buffer, and strtok(), which
 * remembers where it was. The signal is raised at the moment that hurts; in life it comes there
 * seldom, and not on the developer's machine. Then the cures: hold the signal during the change,
 * let the handler only set a flag, keep no state (strtok_r).
 *
 * Man pages: signal-safety(7), attributes(7), strtok(3), sigprocmask(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
};

/* volatile: the handler changes it, and a compiler may know that the functions called meanwhile do not */
static struct node *volatile head;
static struct node from_main, from_handler;
static volatile sig_atomic_t flag;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void the_signal_comes_now(void)
{
    if (raise(SIGUSR1) != 0)
        die("raise");
}

static void handle_by(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
}

/* Two steps that belong together; `interrupted` puts the signal between them. */
static void push(struct node *node, bool interrupted)
{
    struct node *first = head;
    if (interrupted)
        the_signal_comes_now();
    node->next = first;
    head = node;
}

static int count_nodes(void)
{
    int count = 0;
    for (const struct node *node = head; node != NULL; node = node->next)
        count++;
    return count;
}

/* The flaw: main may be within push() itself. */
static void push_in_handler(int number)
{
    (void)number;
    push(&from_handler, false);
}

static void set_flag(int number)
{
    (void)number;
    flag = 1;
}

static int list_unprotected(void)
{
    head = NULL;
    handle_by(push_in_handler);
    push(&from_main, true);
    return count_nodes();
}

/* The signal stays pending until the list is whole again. */
static int list_masked(void)
{
    sigset_t set, before;
    head = NULL;
    handle_by(push_in_handler);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, &before) == -1)
        die("sigprocmask");
    push(&from_main, true);
    if (sigprocmask(SIG_SETMASK, &before, NULL) == -1)
        die("sigprocmask");
    return count_nodes();
}

/* The handler notes, the main program works. */
static int list_flagged(void)
{
    head = NULL;
    flag = 0;
    handle_by(set_flag);
    push(&from_main, true);
    if (flag)
        push(&from_handler, false);
    return count_nodes();
}

/* The flaw: one buffer for all callers. */
static const char *as_text(int number)
{
    static char buffer[16];
    snprintf(buffer, sizeof buffer, "%d", number);
    return buffer;
}

/* Also not safe in itself: snprintf() is not on the list of signal-safety(7). */
static void use_buffer(int number)
{
    (void)number;
    (void)as_text(999);
}

static const char *buffer_of_main(void)
{
    handle_by(use_buffer);
    const char *text = as_text(111);
    the_signal_comes_now();
    return text;
}

static void tokenise(int number)
{
    static char words[] = "handler's secret";
    (void)number;
    (void)strtok(words, " ");
}

static void tokenise_safely(int number)
{
    static char words[] = "handler's secret";
    char *position;
    (void)number;
    (void)strtok_r(words, " ", &position);
}

/* strtok() goes on where it was last, no matter for whom. */
static const char *second_word(void)
{
    static char words[] = "main's word";
    handle_by(tokenise);
    (void)strtok(words, " ");
    the_signal_comes_now();
    const char *second = strtok(NULL, " ");
    return second != NULL ? second : "nothing";
}

static const char *second_word_safely(void)
{
    static char words[] = "main's word";
    char *position;
    handle_by(tokenise_safely);
    (void)strtok_r(words, " ", &position);
    the_signal_comes_now();
    const char *second = strtok_r(NULL, " ", &position);
    return second != NULL ? second : "nothing";
}

int main(void)
{
    int lost = list_unprotected(), masked = list_masked(), flagged = list_flagged();
    printf("two pushes, nodes in the list: %d; masked: %d; by a flag: %d\n", lost, masked, flagged);
    printf("{\"list\": %d, \"list_masked\": %d, \"list_flag\": %d, ", lost, masked, flagged);
    printf("\"static_buffer\": \"%s\", ", buffer_of_main());
    printf("\"strtok\": \"%s\", ", second_word());
    printf("\"strtok_r\": \"%s\"}\n", second_word_safely());
    return 0;
}
