/*
 * run - start one program, watch it, and tell the truth about how it ended.
 *
 *   run [--user UID:GID] [--dir DIR] [--timeout MS] [--processor MS] [--output BYTES] [--stdin BYTES]
 *       [--env NAME=VALUE]... [--sandbox] [--exec FILE] -- NAME [ARG...]
 *   run --inherit [--user UID:GID] [--dir DIR] [--env NAME=VALUE]... [--sandbox] -- PROGRAM [ARG...]
 *   run --stand-by [--user UID:GID] [--dir DIR] [--env NAME=VALUE]... -- PROGRAM [ARG...]
 *   run --serve
 *   run --facts
 *   run --canary
 *
 * The same binary supervises programs on every kind of machine, so that a bare process, a
 * container and an emulated guest report in the same words. On standard output it writes one
 * line of JSON, then exactly as many bytes of the program's standard output and standard error
 * as that line announces. The program never holds a descriptor of ours: it cannot write into
 * the report. FILE is what is executed, by default NAME, which the program sees as argv[0].
 *
 * The whole process tree dies with the program: run is a child subreaper (prctl(2)), so every
 * orphan comes back to it, and it kills until wait(2) says ECHILD. It also kills the tree when
 * its own standard input is closed: the controller is gone. --timeout limits the time it takes,
 * --processor the time that it and all it started compute.
 *
 * With --serve it takes orders, one after the other, on standard input, and answers each with a
 * report: a line "ARGUMENT-BYTES INPUT-BYTES", then the arguments as above, each ended by a NUL,
 * then the program's standard input. One connection then serves any number of programs.
 *
 * With --inherit the program has our own standard descriptors, for a person or a stream of files
 * to talk with it: there is no report and no limit, and we end with its exit status. A terminal
 * becomes the controlling terminal of the program's session; it must be one made for this purpose,
 * for whoever holds a terminal can put words into it.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_URGENT = -20 };

void die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("run: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(125);
}

/* Once per runner: nobody looks into us, orphans come to us, deaths of children are readable, and so is
 * that we are asked to end: not before everything is gone that we started. */
static int prepare(void)
{
	sigset_t expected;

	count_out_of_memory_kills();
	/* Nobody may look into us through /proc: proc(5), ptrace(2). */
	if (prctl(PR_SET_DUMPABLE, 0) == -1 || prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		die("prctl: %s", strerror(errno));
	sigemptyset(&expected);
	sigaddset(&expected, SIGCHLD);
	sigaddset(&expected, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &expected, NULL) == -1 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		die("signals: %s", strerror(errno));
	int events = signalfd(-1, &expected, SFD_CLOEXEC | SFD_NONBLOCK);
	if (events == -1)
		die("signalfd: %s", strerror(errno));
	return events;
}

static int supervise(const struct order *order, int child_events)
{
	struct stream out = {.fd = -1}, err = {.fd = -1};
	struct outcome outcome = {.killed_for = ""};
	char why[256];

	out.data = malloc(order->output + 1);
	err.data = malloc(order->output + 1);
	if (out.data == NULL || err.data == NULL)
		die("no memory for %zu bytes of output", order->output);
	clock_gettime(CLOCK_MONOTONIC, &outcome.begun);
	outcome.used_before = processor_time_of_the_dead();
	pid_t leader = launch(order, &out, &err, why, sizeof why);
	watch(leader, order, &out, &err, &outcome, child_events);
	if (out.fd != -1)
		close(out.fd);
	if (err.fd != -1)
		close(err.fd);
	int result = report(&outcome, &out, &err, why);
	free(out.data);
	free(err.data);
	return result;
}

/* Signals that ask us to end besides SIGTERM, as something to poll(2). */
static int endings(void)
{
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGQUIT);
	if (sigprocmask(SIG_BLOCK, &wanted, NULL) == -1)
		die("signals: %s", strerror(errno));
	int events = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (events == -1)
		die("signalfd: %s", strerror(errno));
	return events;
}

/* Run a program with our own standard descriptors. It and all it started end when its leader
 * does, when we are asked to, and when its terminal is gone. */
static int accompany(const struct order *order)
{
	struct outcome outcome = {.killed_for = ""};
	int child_events = prepare(), asked = endings();
	int tell[2];
	char why[256];

	if (pipe2(tell, O_CLOEXEC) == -1)
		die("cannot open pipes: %s", strerror(errno));
	pid_t leader = fork();
	if (leader == -1)
		die("fork: %s", strerror(errno));
	if (leader == 0)
		become_program(order, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, tell[1]);
	close(tell[1]);
	ssize_t length = read(tell[0], why, sizeof why - 1);
	close(tell[0]);
	if (length > 0) {
		why[length] = '\0';
		die("%s", why);
	}
	bool terminal = isatty(STDIN_FILENO);
	for (;;) {
		(void)reap_some(leader, &outcome);
		struct pollfd fds[] = {
			{.fd = child_events, .events = POLLIN},
			{.fd = asked, .events = POLLIN},
			{.fd = terminal ? STDIN_FILENO : -1, .events = 0},
		};
		if (outcome.ended || (poll(fds, 3, -1) == -1 && errno != EINTR))
			break;
		if ((fds[0].revents & POLLIN) && asked_to_end(child_events))
			break;
		if (fds[1].revents != 0 || fds[2].revents != 0)
			break;
	}
	kill_tree(leader, &outcome);
	if (!outcome.ended)
		return 125;
	return exit_status(outcome.status);
}

/* Waits for an order, or its absence, to be read; false when we are asked to end. */
static bool await_order(int child_events)
{
	for (;;) {
		struct pollfd fds[] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = child_events, .events = POLLIN},
		};
		if (poll(fds, 2, -1) == -1 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if ((fds[1].revents & POLLIN) && asked_to_end(child_events))
			return false;
		if (fds[0].revents != 0)
			return true;
	}
}

static int serve(char *name)
{
	size_t length, input;
	int child_events = prepare(), result = 0;
	char *arguments;

	/* Before what we run, however many that is: else nobody would see that its time is over. It fails
	 * where we may not. Programs do not have it: default_priority(). */
	(void)setpriority(PRIO_PROCESS, 0, MOST_URGENT);

	while (result == 0 && await_order(child_events) && (arguments = next_order(&length, &input)) != NULL) {
		char **argv = words_of(name, arguments, length);
		struct order order = parse(argv);
		order.input = input;
		result = supervise(&order, child_events);
		free(order.env);
		free(argv);
		free(arguments);
	}
	return result;
}

/* A harmless process to be seen, or not, from inside a boundary. Ends with its parent. */
static int canary(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return 1;
	/* As the first process of a container: engines make its root folder with modes of their own. */
	if (getpid() == 1 && chmod("/", 0755) == -1 && errno != EPERM && errno != EROFS)
		return 1;
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--facts") == 0)
		return facts();
	if (argc == 2 && strcmp(argv[1], "--canary") == 0)
		return canary();
	if (argc == 2 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[0]);
	struct order order = parse(argv);
	if (order.stand_by)
		return stand_by(&order);
	if (order.inherit)
		return accompany(&order);
	return supervise(&order, prepare());
}
