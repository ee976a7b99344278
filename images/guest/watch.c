/*
 * What happens while a program runs, and its end: its output is kept, its limits are enforced, and the
 * whole tree is gone before we go on.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How much output ends a program: so many times what is kept, but no more than this unless that is kept. */
enum { FLOOD = 16, MOST_FLOOD = 1024 * 1024 };

/* Milliseconds between two looks at how much processor time was used. */
enum { LEAST_LOOK = 100 };

/* Children to reap before anything else is looked at; milliseconds that the end of a tree may take. */
enum { MOST_REAPED = 1024, END_MS = 60 * 1000 };

/* How much longer than a look at all processes we wait for those that it has killed. */
enum { DYING = 4 };

static bool pump(struct stream *stream, size_t limit)
{
	char buffer[16384];
	ssize_t got = read(stream->fd, buffer, sizeof buffer);

	if (got == -1 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (got <= 0) {
		close(stream->fd);
		stream->fd = -1;
		return false;
	}
	size_t room = limit - stream->kept;
	size_t keep = (size_t)got < room ? (size_t)got : room;
	memcpy(stream->data + stream->kept, buffer, keep);
	if (keep < (size_t)got) {
		if (stream->total == stream->kept) {
			digest_begin(&stream->digest);
			digest_add(&stream->digest, stream->data, stream->kept + keep);
		}
		digest_add(&stream->digest, buffer + keep, (size_t)got - keep);
	}
	stream->kept += keep;
	stream->total += (uint64_t)got;
	return true;
}

/* What is still in the pipe once nobody can write to it any more. */
static void drain(struct stream *stream, size_t limit)
{
	if (stream->fd == -1 || fcntl(stream->fd, F_SETFL, O_NONBLOCK) == -1)
		return;
	uint64_t before;
	do {
		before = stream->total;
	} while (pump(stream, limit) && stream->total != before);
}

/* A soft limit, by its name in proc_pid_limits(5): prlimit(2) may need a capability that containers lack. */
static rlim_t soft_limit_of(pid_t pid, const char *name)
{
	char path[64], line[256];
	rlim_t found = RLIM_INFINITY;
	unsigned long long value;

	snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
	FILE *limits = fopen(path, "re");
	if (limits == NULL)
		return found;
	while (fgets(line, sizeof line, limits) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), " %llu", &value) == 1)
			found = value;
	fclose(limits);
	return found;
}

/* The limit that the kernel enforces with the signal that ended the leader, RLIM_INFINITY for none:
 * setrlimit(2). Limits are there until it is reaped. */
static rlim_t limit_behind_end(const siginfo_t *about)
{
	if (about->si_code == CLD_EXITED)
		return RLIM_INFINITY;
	if (about->si_status == SIGXCPU)
		return soft_limit_of(about->si_pid, "Max cpu time");
	return about->si_status == SIGXFSZ ? soft_limit_of(about->si_pid, "Max file size") : RLIM_INFINITY;
}

/* Whether that limit was reached, as far as it can be known: else somebody has sent the signal. */
static bool is_limited(const struct outcome *outcome, rlim_t limit)
{
	uint64_t used = microseconds(outcome->usage.ru_utime) + microseconds(outcome->usage.ru_stime);

	if (limit == RLIM_INFINITY || !WIFSIGNALED(outcome->status))
		return false;
	if (WTERMSIG(outcome->status) == SIGXFSZ)
		return true;
	/* The kernel adds a second to the limit when it sends the signal. It counts whole ticks, which on a
	 * busy host are far from what was used: half of it is near enough. */
	uint64_t sent_at = limit > 1 ? limit - 1 : 1;
	return used * 2 >= sent_at * 1000000;
}

/* wait4(2) for any child without waiting; notes how the leader ended and what it used. 0: none has ended, -1:
 * there is none. */
static pid_t reap(pid_t leader, struct outcome *outcome)
{
	siginfo_t about = {.si_pid = 0};
	struct rusage usage;
	int status;

	if (waitid(P_ALL, 0, &about, WEXITED | WNOHANG | WNOWAIT) == -1)
		return -1;
	if (about.si_pid == 0)
		return 0;
	rlim_t limit = about.si_pid == leader ? limit_behind_end(&about) : RLIM_INFINITY;
	pid_t pid = wait4(about.si_pid, &status, WNOHANG, &usage);
	if (pid == leader) {
		outcome->status = status;
		outcome->ended = true;
		outcome->usage = usage;
		outcome->limited = is_limited(outcome, limit);
	}
	return pid;
}

bool reap_some(pid_t leader, struct outcome *outcome)
{
	for (int count = 0; count < MOST_REAPED; count++) {
		pid_t pid = reap(leader, outcome);
		if (pid <= 0)
			return pid == 0;
	}
	return true;
}

static long spent_ms(const struct outcome *outcome)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - outcome->begun.tv_sec) * 1000 + (now.tv_nsec - outcome->begun.tv_nsec) / 1000000;
}

static long remaining_ms(const struct outcome *outcome, long timeout_ms)
{
	long spent = spent_ms(outcome);

	return timeout_ms > spent ? timeout_ms - spent : 0;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reaps what was killed until then. Returns whether there may be more children. */
static bool reap_until(long until, pid_t leader, struct outcome *outcome)
{
	const struct timespec pause = {0, 1000000};
	bool more;

	do {
		nanosleep(&pause, NULL);
		more = reap_some(leader, outcome);
	} while (more && now_ms() < until);
	return more;
}

void kill_tree(pid_t leader, struct outcome *outcome)
{
	long until = now_ms() + END_MS;
	bool more = reap_some(leader, outcome);

	while (more) {
		long begun = now_ms();
		if (begun > until)
			die("the program's processes cannot be killed");
		int usual = hurry();
		kill_descendants();
		take_turns(usual);
		/* Hundreds of processes end on the processor that looks at them: most of it is theirs. */
		long looked = now_ms();
		more = reap_until(looked + DYING * (looked - begun), leader, outcome);
	}
}

/* The earliest at which this much processor time can have been used, on all processors there are.
 * Looking costs more than waiting, so it is not done more often. */
static long earliest_ms(uint64_t microseconds)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	long earliest = (long)(microseconds / 1000) / (processors > 0 ? processors : 1);

	return earliest > LEAST_LOOK ? earliest : LEAST_LOOK;
}

/* Looks how much processor time was used, when it is time to. Returns in how many milliseconds to look
 * next: LONG_MAX without a limit. Says why a program is to be killed. */
static long look_at_usage(const struct order *order, struct outcome *outcome, long *due_ms)
{
	uint64_t most = (uint64_t)order->processor_ms * 1000;
	long spent = spent_ms(outcome);

	if (most == 0)
		return LONG_MAX;
	if (spent >= *due_ms) {
		/* In this order: who dies in between is missed, not counted twice. */
		uint64_t dead = processor_time_of_the_dead();
		uint64_t used = dead + processor_time_of_the_living() - outcome->used_before;
		if (used >= most)
			outcome->killed_for = "processor";
		*due_ms = spent + earliest_ms(used < most ? most - used : 0);
	}
	return *due_ms - spent;
}

/* End of file on standard input, without taking a byte of the next order away. */
static bool controller_gone(short events)
{
	int waiting = 0;

	if (events & (POLLHUP | POLLERR))
		return true;
	return (events & POLLIN) && ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0;
}

bool asked_to_end(int events)
{
	struct signalfd_siginfo info;

	return read(events, &info, sizeof info) == (ssize_t)sizeof info && info.ssi_signo == SIGTERM;
}

void watch(pid_t leader, const struct order *order, struct stream *out, struct stream *err,
		  struct outcome *outcome, int child_events)
{
	uint64_t flood = (uint64_t)order->output * FLOOD;
	long due_ms = earliest_ms((uint64_t)order->processor_ms * 1000);

	/* More than what is kept, but not without end. */
	if (flood > MOST_FLOOD)
		flood = order->output > MOST_FLOOD ? order->output : MOST_FLOOD;

	for (;;) {
		(void)reap_some(leader, outcome);
		if (outcome->ended)
			break;
		struct pollfd fds[] = {
			{.fd = child_events, .events = POLLIN},
			{.fd = out->fd, .events = POLLIN},
			{.fd = err->fd, .events = POLLIN},
			{.fd = STDIN_FILENO, .events = POLLIN},
		};
		long look = look_at_usage(order, outcome, &due_ms);
		long pause = remaining_ms(outcome, order->timeout_ms);
		if (look < pause)
			pause = look;
		int ready = poll(fds, 4, pause < INT_MAX ? (int)pause : INT_MAX);
		if (ready == -1 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if (remaining_ms(outcome, order->timeout_ms) == 0)
			outcome->killed_for = "timeout";
		if (ready <= 0 && *outcome->killed_for == '\0')
			continue;
		if ((fds[0].revents & POLLIN) && asked_to_end(child_events))
			outcome->killed_for = "hangup";
		if (fds[1].revents != 0)
			pump(out, order->output);
		if (fds[2].revents != 0)
			pump(err, order->output);
		if (controller_gone(fds[3].revents))
			outcome->killed_for = "hangup";
		if (out->total > flood || err->total > flood)
			outcome->killed_for = "output";
		if (*outcome->killed_for != '\0')
			break;
	}
	clock_gettime(CLOCK_MONOTONIC, &outcome->done);
	kill_tree(leader, outcome);
	outcome->used = processor_time_of_the_dead() - outcome->used_before;
	drain(out, order->output);
	drain(err, order->output);
}
