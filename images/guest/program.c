/*
 * The start of a program: a child with pipes for its output becomes it, or says why it cannot.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pages of the longest argument, and the part of the stack for all of them: execve(2). */
enum { ARGUMENT_PAGES = 32, STACK_PART = 4 };

/* Processes a user other than root may have: a fork bomb must leave room for us. */
enum { MAX_PROCESSES = 256 };

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

void become_program(const struct order *order, int input, int output, int error, int tell)
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

pid_t launch(const struct order *order, struct stream *out, struct stream *err, char *why,
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
		become_program(order, input, o[1], e[1], tell[1]);
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
