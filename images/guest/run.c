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
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* An order is more than the kernel passes to a program, so that it is the kernel that refuses. */
enum { DEFAULT_OUTPUT = 64 * 1024, FLOOD = 16, MOST_FLOOD = 1024 * 1024, MAX_ORDER = 16 * 1024 * 1024 };

/* Pages of the longest argument, and the part of the stack for all of them: execve(2). */
enum { ARGUMENT_PAGES = 32, STACK_PART = 4 };

/* Processes a user other than root may have: a fork bomb must leave room for us. */
enum { MAX_PROCESSES = 256 };

/* The status of a child that could not become the program because of that limit. */
enum { CROWDED = 126 };

/* Milliseconds between two looks at how much processor time was used. */
enum { LEAST_LOOK = 100 };

/* Children to reap before anything else is looked at; milliseconds that the end of a tree may take. */
enum { MOST_REAPED = 1024, END_MS = 10 * 1000 };

struct stream {
	int fd;
	char *data;
	size_t kept;
	uint64_t total;
	struct digest digest; /* of all of it, once more came than is kept */
};

struct outcome {
	int status;
	bool ended, limited; /* by the limit that its signal is for */
	const char *killed_for; /* "", "timeout", "processor", "output", "hangup" */
	struct timespec begun, done;
	uint64_t used_before, used; /* microseconds of processor time: of earlier orders, of this one */
	struct rusage usage;
};

static long kills_before = -1;

static void die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("run: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(125);
}

static long number(const char *text, const char *option)
{
	char *end;

	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0)
		die("%s: not a number: %s", option, text);
	return value;
}

static void parse_user(struct order *order, const char *text)
{
	char copy[64];
	char *colon;

	if (strlen(text) >= sizeof copy)
		die("--user: too long");
	strcpy(copy, text);
	colon = strchr(copy, ':');
	if (colon == NULL)
		die("--user: expected UID:GID, got %s", text);
	*colon = '\0';
	order->uid = (uid_t)number(copy, "--user");
	order->gid = (gid_t)number(colon + 1, "--user");
	order->switch_user = true;
}

static size_t count_of(char **words)
{
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	return count;
}

/* An option with a value. Ends the program for one that does not exist. */
static void take_option(struct order *order, const char *option, char *value, size_t *environment)
{
	if (strcmp(option, "--user") == 0)
		parse_user(order, value);
	else if (strcmp(option, "--dir") == 0)
		order->dir = value;
	else if (strcmp(option, "--exec") == 0)
		order->file = value;
	else if (strcmp(option, "--timeout") == 0)
		order->timeout_ms = number(value, option);
	else if (strcmp(option, "--processor") == 0)
		order->processor_ms = number(value, option);
	else if (strcmp(option, "--output") == 0)
		order->output = (size_t)number(value, option);
	else if (strcmp(option, "--stdin") == 0)
		order->input = (size_t)number(value, option);
	else if (strcmp(option, "--env") == 0)
		order->env[(*environment)++] = value;
	else
		die("unknown option %s", option);
}

/* The environment of an order is to be freed; the rest is where the arguments are. */
static struct order parse(char **argv)
{
	struct order order = {.timeout_ms = 10000, .output = DEFAULT_OUTPUT};
	size_t environment = 0;
	int i = 1;

	order.env = calloc(count_of(argv) + 1, sizeof *order.env);
	if (order.env == NULL)
		die("no memory for the environment");
	for (; argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--sandbox") == 0) {
			order.sandbox = true;
			continue;
		}
		if (strcmp(argv[i], "--inherit") == 0) {
			order.inherit = true;
			continue;
		}
		if (strcmp(argv[i], "--stand-by") == 0) {
			order.stand_by = true;
			continue;
		}
		if (argv[i + 1] == NULL)
			die("%s: value missing", argv[i]);
		take_option(&order, argv[i], argv[i + 1], &environment);
		i++;
	}
	if (argv[i] == NULL || argv[i + 1] == NULL)
		die("no program given");
	order.argv = argv + i + 1;
	if (order.file == NULL)
		order.file = order.argv[0];
	return order;
}

/* The program's standard input: what the controller sent, in an anonymous file, or nothing. */
static int open_input(size_t length)
{
	char buffer[4096];

	if (length == 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd == -1)
		die("memfd_create: %s", strerror(errno));
	while (length > 0) {
		size_t want = length < sizeof buffer ? length : sizeof buffer;
		ssize_t got = read(STDIN_FILENO, buffer, want);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			die("standard input ended early");
		if (write(fd, buffer, (size_t)got) != got)
			die("cannot keep standard input: %s", strerror(errno));
		length -= (size_t)got;
	}
	if (lseek(fd, 0, SEEK_SET) == -1)
		die("lseek: %s", strerror(errno));
	return fd;
}

static void fail_start(int fd, const char *what)
{
	dprintf(fd, "%s: %s", what, strerror(errno));
	_exit(127);
}

/* E2BIG says too little: which argument, and what would be short enough. */
static void fail_long(int fd, const struct order *order)
{
	size_t most = (size_t)sysconf(_SC_PAGESIZE) * ARGUMENT_PAGES - 1, all = 0;
	struct rlimit stack;

	for (size_t i = 0; order->argv[i] != NULL; i++) {
		size_t length = strlen(order->argv[i]);
		all += length + 1 + sizeof order->argv[i];
		if (length <= most)
			continue;
		dprintf(fd, "argument %zu is too long: it has %zu bytes, and this kernel takes at most %zu", i,
			length, most);
		_exit(127);
	}
	if (getrlimit(RLIMIT_STACK, &stack) == -1)
		fail_start(fd, "getrlimit");
	dprintf(fd, "the arguments are too long: together %zu bytes, and this kernel takes at most %zu with the environment",
		all, (size_t)(stack.rlim_cur / STACK_PART));
	_exit(127);
}

/* Others of the same user have taken all the processes there are for it: not the program's fault. */
static void fail_crowded(int fd)
{
	dprintf(fd, "user id %d has all the %d processes it may have", (int)getuid(), (int)MAX_PROCESSES);
	_exit(CROWDED);
}

static int give_to(const struct order *order, int fd)
{
	return fchown(fd, order->uid, order->gid);
}

/* In the child: become the program. Whatever fails is told through `tell`, closed by exec. */
static void become(const struct order *order, int input, int output, int error, int tell)
{
	struct rlimit processes = {MAX_PROCESSES, MAX_PROCESSES};

	if (default_signals() == -1 || setsid() == -1)
		fail_start(tell, "setsid");
	if (dup2(input, STDIN_FILENO) == -1 || dup2(output, STDOUT_FILENO) == -1 ||
	    dup2(error, STDERR_FILENO) == -1)
		fail_start(tell, "dup2");
	if (order->inherit && isatty(STDIN_FILENO) && ioctl(STDIN_FILENO, TIOCSCTTY, 0) == -1)
		fail_start(tell, "cannot take the terminal");
	if (close_the_rest_on_exec() == -1)
		fail_start(tell, "cannot close what we were given");
	umask(022);
	if (default_limits() == -1)
		fail_start(tell, "setrlimit");
	if (default_priority() == -1)
		fail_start(tell, "setpriority");
	/* /dev/stdout opens the pipe anew, which only its owner may: pipe(7). */
	if (order->switch_user && !order->inherit && (give_to(order, output) == -1 || give_to(order, error) == -1))
		fail_start(tell, "cannot hand over the pipes");
	/* Ours are exempt from the out-of-memory killer, programs are not. Fails where we are no
	 * exception ourselves and may not change it: proc(5). */
	int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (score != -1 && write(score, "0", 1) == -1 && errno != EACCES)
		fail_start(tell, "oom_score_adj");
	if (order->switch_user && setrlimit(RLIMIT_NPROC, &processes) == -1)
		fail_start(tell, "setrlimit");
	if (order->dir != NULL && chdir(order->dir) == -1)
		fail_start(tell, order->dir);
	if (order->sandbox && sandbox_drop_bounding_set() == -1)
		fail_start(tell, "cannot drop the capability bounding set");
	if (order->switch_user &&
	    (setgroups(0, NULL) == -1 || setgid(order->gid) == -1 || setuid(order->uid) == -1))
		fail_start(tell, "cannot switch user");
	/* After the change of user, which clears it: prctl(2). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		fail_start(tell, "prctl");
	if (order->sandbox && sandbox_enter(order->dir) == -1)
		fail_start(tell, "cannot enter the sandbox");
	execve(order->file, order->argv, order->env);
	if (errno == E2BIG)
		fail_long(tell, order);
	if (errno == EAGAIN)
		fail_crowded(tell);
	fail_start(tell, order->file);
}

static pid_t launch(const struct order *order, struct stream *out, struct stream *err, char *why,
		    size_t why_size)
{
	int o[2], e[2], tell[2];
	int input = open_input(order->input);

	if (input == -1 || pipe2(o, O_CLOEXEC) == -1 || pipe2(e, O_CLOEXEC) == -1 ||
	    pipe2(tell, O_CLOEXEC) == -1)
		die("cannot open pipes: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == -1)
		die("fork: %s", strerror(errno));
	if (pid == 0)
		become(order, input, o[1], e[1], tell[1]);
	close(input);
	close(o[1]);
	close(e[1]);
	close(tell[1]);
	size_t length = 0;
	ssize_t got;
	while (length < why_size - 1 &&
	       ((got = read(tell[0], why + length, why_size - 1 - length)) > 0 ||
		(got == -1 && errno == EINTR)))
		length += got > 0 ? (size_t)got : 0;
	why[length] = '\0';
	close(tell[0]);
	out->fd = o[0];
	err->fd = e[0];
	return pid;
}

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

/* Reaps whom there is to reap, but not for ever: a tree may die and grow at once. Returns false when no
 * child is left. */
static bool reap_some(pid_t leader, struct outcome *outcome)
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

/* Kill until nothing is left. Each death hands its children to us, the subreaper. */
static void kill_tree(pid_t leader, struct outcome *outcome)
{
	const struct timespec pause = {0, 1000000};
	long until = now_ms() + END_MS;

	if (!reap_some(leader, outcome))
		return;
	int usual = hurry();
	do {
		if (now_ms() > until)
			die("the program's processes cannot be killed");
		kill_descendants();
		nanosleep(&pause, NULL);
	} while (reap_some(leader, outcome));
	take_turns(usual);
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

/* Takes what came as a signal: that of a child is only a wake-up, for wait4(2) knows the rest. */
static bool asked_to_end(int events)
{
	struct signalfd_siginfo info;

	return read(events, &info, sizeof info) == (ssize_t)sizeof info && info.ssi_signo == SIGTERM;
}

static void watch(pid_t leader, const struct order *order, struct stream *out, struct stream *err,
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

const char *signal_name(int number)
{
	/* Numbers differ between architectures (signal(7)), names do not. */
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
		{SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
		{SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
		{SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
		{SIGXFSZ, "SIGXFSZ"}, {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"},
		{SIGPOLL, "SIGPOLL"}, {SIGPWR, "SIGPWR"},   {SIGSYS, "SIGSYS"},
	};
	static char other[16];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == number)
			return names[i].name;
	snprintf(other, sizeof other, "SIG%d", number);
	return other;
}

/* JSON strings: our own messages only, but they may quote a path. */
static void print_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* The digest of a stream of which a part is not kept; the other side makes it of a whole one. */
static void print_digest(const char *name, struct stream *stream)
{
	char text[DIGEST_TEXT];

	if (stream->total == stream->kept)
		return;
	digest_end(&stream->digest, text);
	printf(", \"%s\": \"%s\"", name, text);
}

/* How often the kernel killed a process for want of memory, anywhere on it; -1 if it does not say:
 * proc(5), /proc/vmstat. */
static long out_of_memory_kills(void)
{
	char line[128];
	long found = -1;
	FILE *file = fopen("/proc/vmstat", "re");

	if (file == NULL)
		return -1;
	while (found == -1 && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "oom_kill %ld", &found) != 1)
			found = -1;
	fclose(file);
	return found;
}

/* Whether memory ran out since the last time somebody was killed, or since we began: "true",
 * "false" or "null". */
static const char *ran_out_of_memory(void)
{
	long before = kills_before, now = out_of_memory_kills();

	kills_before = now;
	if (before == -1 || now == -1)
		return "null";
	return now > before ? "true" : "false";
}

static int report(const struct outcome *outcome, struct stream *out, struct stream *err, const char *why)
{
	const struct rusage *usage = &outcome->usage;
	int64_t wall = (int64_t)(outcome->done.tv_sec - outcome->begun.tv_sec) * 1000000 +
		       (outcome->done.tv_nsec - outcome->begun.tv_nsec) / 1000;

	printf("{\"exit\": ");
	if (outcome->ended && WIFEXITED(outcome->status))
		printf("%d, \"signal\": null", WEXITSTATUS(outcome->status));
	else if (outcome->ended && WIFSIGNALED(outcome->status))
		printf("null, \"signal\": \"%s\"", signal_name(WTERMSIG(outcome->status)));
	else
		printf("null, \"signal\": null");
	printf(", \"killed_for\": \"%s\", \"wall_us\": %" PRId64 ", \"user_us\": %" PRIu64
	       ", \"system_us\": %" PRIu64 ", \"max_rss_kib\": %ld, \"minor_faults\": %ld",
	       outcome->killed_for, wall, microseconds(usage->ru_utime), microseconds(usage->ru_stime),
	       (long)usage->ru_maxrss, (long)usage->ru_minflt);
	printf(", \"processor_us\": %" PRIu64, outcome->used);
	printf(", \"start_error\": ");
	print_string(why);
	if (*why != '\0' && outcome->ended && WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == CROWDED)
		printf(", \"crowded\": true");
	if (outcome->ended && WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGKILL)
		printf(", \"out_of_memory\": %s", ran_out_of_memory());
	if (outcome->ended && WIFSIGNALED(outcome->status) &&
	    (WTERMSIG(outcome->status) == SIGXCPU || WTERMSIG(outcome->status) == SIGXFSZ))
		printf(", \"limited\": %s", outcome->limited ? "true" : "false");
	print_digest("stdout_sha256", out);
	print_digest("stderr_sha256", err);
	printf(", \"stdout\": %zu, \"stdout_total\": %" PRIu64 ", \"stderr\": %zu, \"stderr_total\": %" PRIu64
	       "}\n",
	       out->kept, out->total, err->kept, err->total);
	fwrite(out->data, 1, out->kept, stdout);
	fwrite(err->data, 1, err->kept, stdout);
	return fflush(stdout) == 0 ? 0 : 125;
}

/* Once per runner: nobody looks into us, orphans come to us, deaths of children are readable, and so is
 * that we are asked to end: not before everything is gone that we started. */
static int prepare(void)
{
	sigset_t expected;

	kills_before = out_of_memory_kills();
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
		become(order, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, tell[1]);
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

static bool read_fully(char *buffer, size_t length)
{
	while (length > 0) {
		ssize_t got = read(STDIN_FILENO, buffer, length);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		buffer += got;
		length -= (size_t)got;
	}
	return true;
}

/* Take one order from standard input: its arguments, each ended by a NUL, in memory to be freed.
 * NULL at its end. */
static char *next_order(size_t *length, size_t *input)
{
	char line[64];
	size_t used = 0;

	do {
		if (!read_fully(line + used, 1))
			return NULL;
		if (used == sizeof line - 2)
			die("order: first line too long");
	} while (line[used++] != '\n');
	line[used] = '\0';
	if (sscanf(line, "%zu %zu", length, input) != 2 || *length == 0)
		die("order: bad first line");
	if (*length > MAX_ORDER)
		die("order: %zu bytes of arguments, and at most %d are taken", *length, MAX_ORDER);
	char *arguments = malloc(*length);
	if (arguments == NULL)
		die("order: no memory for %zu bytes of arguments", *length);
	if (!read_fully(arguments, *length) || arguments[*length - 1] != '\0')
		die("order: arguments incomplete");
	return arguments;
}

/* The words of an order as an argument list, to be freed; `name` comes first. */
static char **words_of(char *name, char *arguments, size_t length)
{
	size_t count = 1, at = 1;

	for (size_t i = 0; i < length; i++)
		count += arguments[i] == '\0';
	char **argv = calloc(count + 1, sizeof *argv);
	if (argv == NULL)
		die("order: no memory for %zu arguments", count);
	argv[0] = name;
	for (char *word = arguments; word < arguments + length; word += strlen(word) + 1)
		argv[at++] = word;
	return argv;
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
