/*
 * What it costs to have processes: to switch between two, to make one, to make one run another program.
 *
 *   processes            measure
 *   processes nothing    end at once: the other program
 *
 * Man pages: fork(2), execve(2), waitpid(2), pthread_create(3), pipe(7).
 */
#include "../measure.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* Two pipes, one for each direction. */
struct pipes {
    int there[2], back[2];
};

static void put(int pipe)
{
    char token = 't';
    if (write(pipe, &token, 1) != 1)
        die("write");
}

/* False at the end. */
static bool take(int pipe)
{
    char token;
    ssize_t n = read(pipe, &token, 1);
    if (n == -1)
        die("read");
    return n == 1;
}

/* A token goes to the partner and comes back. With one processor, each way takes a switch. */
static void pass_on(void *with, uint32_t times)
{
    const struct pipes *pipes = with;
    for (uint32_t i = 0; i < times; i++) {
        put(pipes->there[1]);
        if (!take(pipes->back[0])) {
            fprintf(stderr, "the partner ended\n");
            _exit(1);
        }
    }
}

/* The same four calls without a partner, so without a switch. */
static void pass_to_itself(void *with, uint32_t times)
{
    const struct pipes *pipes = with;
    for (uint32_t i = 0; i < times; i++) {
        put(pipes->there[1]);
        take(pipes->there[0]);
        put(pipes->back[1]);
        take(pipes->back[0]);
    }
}

static void make_pipes(struct pipes *pipes)
{
    if (pipe(pipes->there) == -1 || pipe(pipes->back) == -1)
        die("pipe");
}

static void close_end(int end)
{
    if (close(end) == -1)
        die("close");
}

/* Waits for a child; 0, or the error number with which it ended. */
static int ending_of(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINVAL;
}

static pid_t start_partner(const struct pipes *pipes)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        close_end(pipes->there[1]);
        close_end(pipes->back[0]);
        while (take(pipes->there[0]))
            put(pipes->back[1]);
        _exit(0);
    }
    close_end(pipes->there[0]);
    close_end(pipes->back[1]);
    return child;
}

/* What is left of passing on when the calls are taken away, half of it for each of the two switches. */
static void observe_switch(struct series between, struct series within)
{
    for (int i = 0; i < BATCHES; i++) {
        between.cost[i] -= within.cost[i];
        between.wall[i] -= within.wall[i];
    }
    struct series sorted = between;
    sort_batches(sorted.cost);
    if (sorted.cost[QUARTER] > 0)
        observe_cost("switch", between, 2);
    else
        observe_words("switch", "less than the spread");
}

static void show_switch(void)
{
    struct pipes pipes;
    make_pipes(&pipes);
    struct series within = measure(pass_to_itself, &pipes, 0);
    pid_t partner = start_partner(&pipes);
    struct series between = measure(pass_on, &pipes, partner);
    close_end(pipes.there[1]);
    close_end(pipes.back[0]);
    if (ending_of(partner) != 0) {
        fprintf(stderr, "the partner failed\n");
        _exit(1);
    }
    observe_cost("within", within, 1);
    observe_cost("between", between, 1);
    observe_switch(between, within);
}

static void *do_nothing(void *with)
{
    return with;
}

static void make_thread(void *with, uint32_t times)
{
    pthread_t thread;
    (void)with;
    for (uint32_t i = 0; i < times; i++) {
        if ((errno = pthread_create(&thread, NULL, do_nothing, NULL)) != 0)
            die("pthread_create");
        if ((errno = pthread_join(thread, NULL)) != 0)
            die("pthread_join");
    }
}

/* A child that ends at once, or runs the program `with`, waited for; 0 or an error number. */
static int one_child(const char *with)
{
    pid_t child = fork();
    if (child == -1)
        die("fork");
    if (child == 0) {
        if (with != NULL) {
            execl(with, with, "nothing", (char *)NULL);
            _exit(errno);
        }
        _exit(0);
    }
    return ending_of(child);
}

static void make_child(void *with, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        if ((errno = one_child(with)) != 0)
            die("a child");
}

int main(int argc, char *argv[])
{
    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    /* Nothing is left in a buffer that fork() could print twice. */
    if (setvbuf(stdout, NULL, _IOLBF, 0) != 0)
        die("setvbuf");
    bool one = stay_on_one_processor();
    show_switch();
    observe_cost("thread", measure(make_thread, NULL, 0), 1);
    observe_cost("fork", measure(make_child, NULL, 0), 1);
    int refused = one_child(argv[0]);
    if (refused == 0)
        observe_cost("exec", measure(make_child, argv[0], 0), 1);
    else
        observe_words("exec", verdict(refused));
    observe_one_processor(one);
    print_observed();
    return 0;
}
