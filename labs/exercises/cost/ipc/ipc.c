/*
 * What it costs to tell another process something, by each mechanism there is.
 *
 * latency      one byte there and one byte back; the two processes take turns
 * throughput   messages of MESSAGE bytes one way, as fast as they are taken
 *
 * The partner is a child. It is given its orders through a pipe of its own, one for each batch, and
 * checks what arrives: a message that is lost or comes out of order ends the program.
 *
 * Man pages: ipc in the index of section 7: pipe(7), fifo(7), unix(7), tcp(7), udp(7), mq_overview(7),
 * sysvipc(7), shm_overview(7), signal(7).
 */
#include "../measure.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "channel.h"

enum { LATENCY, THROUGHPUT };

struct order {
    uint32_t kind, times;
};

/* A mechanism between two processes, and the pipes beside it: orders there, "done" back. */
struct trial {
    const struct mechanism *by;
    int orders[2], done[2];
};

static const struct mechanism *const mechanisms[] = {
    &by_pipe, &by_fifo,        &by_unix_stream, &by_unix_datagram, &by_tcp,
    &by_udp,  &by_posix_queue, &by_sysv_queue,  &by_shared_memory, &by_signal,
};

static char message[MESSAGE];

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(1);
}

static void answer(const struct mechanism *by, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        by->receive(message, 1);
        by->send(message, 1);
    }
}

static void take(const struct mechanism *by, uint32_t times)
{
    uint32_t number;
    for (uint32_t i = 0; i < times; i++) {
        by->receive(message, MESSAGE);
        memcpy(&number, message, sizeof number);
        if (number != i)
            wrong("a message was lost or out of order");
        if (by->window != 0 && (i + 1) % by->window == 0)
            by->send(message, 1);
    }
}

/* The child: does as it is told until there are no more orders. An order is smaller than what a pipe
 * takes in one piece (PIPE_BUF), so that it comes whole or not at all. */
static _Noreturn void be_partner(const struct trial *trial)
{
    struct order order;
    ssize_t n;
    if (close(trial->orders[1]) == -1 || close(trial->done[0]) == -1)
        die("close");
    trial->by->take_side(CHILD, getppid());
    while ((n = read(trial->orders[0], &order, sizeof order)) == (ssize_t)sizeof order) {
        if (order.kind == LATENCY)
            answer(trial->by, order.times);
        else
            take(trial->by, order.times);
        if (write(trial->done[1], &order.times, sizeof order.times) != (ssize_t)sizeof order.times)
            die("write");
    }
    _exit(n == 0 ? 0 : 1);
}

static void give_order(const struct trial *trial, uint32_t kind, uint32_t times)
{
    struct order order = {kind, times};
    if (write(trial->orders[1], &order, sizeof order) != (ssize_t)sizeof order)
        die("write");
}

static void await_done(const struct trial *trial, uint32_t times)
{
    uint32_t done = 0;
    if (read(trial->done[0], &done, sizeof done) != (ssize_t)sizeof done || done != times)
        wrong("the partner did not do all of it");
}

static void there_and_back(void *with, uint32_t times)
{
    const struct trial *trial = with;
    give_order(trial, LATENCY, times);
    for (uint32_t i = 0; i < times; i++) {
        char sent = message[0] = (char)i;
        trial->by->send(message, 1);
        trial->by->receive(message, 1);
        if (message[0] != sent)
            wrong("another byte came back");
    }
    await_done(trial, times);
}

static void one_way(void *with, uint32_t times)
{
    const struct trial *trial = with;
    char answered[MESSAGE];
    give_order(trial, THROUGHPUT, times);
    for (uint32_t i = 0; i < times; i++) {
        memcpy(message, &i, sizeof i);
        trial->by->send(message, MESSAGE);
        if (trial->by->window != 0 && (i + 1) % trial->by->window == 0)
            trial->by->receive(answered, 1);
    }
    await_done(trial, times);
}

/* Some mechanisms would let us wait for ever for a partner that is gone. */
static void partner_ended(int number)
{
    static const char words[] = "the partner ended\n";
    (void)number;
    if (write(STDERR_FILENO, words, sizeof words - 1) == -1)
        _exit(2);
    _exit(1);
}

static void watch_partner(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    if (sigaction(SIGCHLD, &action, NULL) == -1)
        die("sigaction");
}

static void measure_trial(struct trial *trial)
{
    int status;
    watch_partner(partner_ended);
    pid_t partner = fork();
    if (partner == -1)
        die("fork");
    if (partner == 0)
        be_partner(trial);
    if (close(trial->orders[0]) == -1 || close(trial->done[1]) == -1)
        die("close");
    trial->by->take_side(PARENT, partner);
    observe_cost(trial->by->latency, measure(there_and_back, trial, partner), 1);
    if (trial->by->throughput != NULL)
        observe_rate(trial->by->throughput, measure(one_way, trial, partner), MESSAGE);
    watch_partner(SIG_DFL);
    if (close(trial->orders[1]) == -1 || close(trial->done[0]) == -1)
        die("close");
    while (waitpid(partner, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (status != 0)
        wrong("the partner failed");
}

static void try_mechanism(const struct mechanism *by)
{
    struct trial trial = {.by = by};
    int error = by->open();
    if (error != 0) {
        observe_words(by->latency, verdict(error));
        if (by->throughput != NULL)
            observe_words(by->throughput, verdict(error));
        return;
    }
    if (pipe2(trial.orders, O_CLOEXEC) == -1 || pipe2(trial.done, O_CLOEXEC) == -1)
        die("pipe2");
    measure_trial(&trial);
    by->close();
}

int main(void)
{
    /* Nothing is left in a buffer that fork() could print twice. */
    if (setvbuf(stdout, NULL, _IOLBF, 0) != 0)
        die("setvbuf");
    bool one = stay_on_one_processor();
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++)
        try_mechanism(mechanisms[i]);
    observe_one_processor(one);
    print_observed();
    return 0;
}
