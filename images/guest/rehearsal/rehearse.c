/*
 * rehearse - plays through, in a machine that is up, what each machine thawed from it will do first.
 *
 * An emulator translates code when it first runs. A whole emulator that is frozen after the code has run hands
 * its translations on, so a machine that is to be frozen takes an identity, serves a first connection and sees
 * it end: "rehearse N" does so N times, and then waits for the identity of whoever is thawed.
 *
 * Process 1 has played its part by then. Its lines to the controller are taken over with pidfd_getfd(2); it goes
 * on serving the connections that come over the network. This is linked with all parts of init, for an identity
 * is taken as there (their main() is renamed by the compiler's options).
 */
#include "../guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#undef main

enum { HIGH = 20 };
enum { AGAIN = 5 };    /* where forking.c hears whether it is to go on */
enum { SETTLING = 3 }; /* seconds in which the kernel does what it has put off */
enum { QUIET = 1 };    /* seconds before anything is said on the console */

/* Nothing of whoever started us: their connection ends before the first rehearsal. */
static void leave(void)
{
	pid_t pid = fork();

	if (pid == -1)
		give_up("no process for rehearsals");
	if (pid > 0)
		_exit(0);
	setsid();
	if (chdir("/") == -1)
		give_up("/");
	int console = open("/dev/console", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		if (console == -1 || dup2(console, fd) == -1)
			give_up("/dev/console");
	if (console > 2)
		close(console);
}

/* The device behind a descriptor of process 1, "" for what is none. */
static const char *device_of(const char *descriptor)
{
	static char target[PATH_MAX];
	char path[300];

	snprintf(path, sizeof path, "/proc/1/fd/%s", descriptor);
	ssize_t length = readlink(path, target, sizeof target - 1);
	target[length < 0 ? 0 : length] = '\0';
	return strncmp(target, "/dev/", 5) == 0 ? target + 5 : "";
}

static bool has_name(const char *device, const char *wanted)
{
	char path[300], name[32] = "";

	snprintf(path, sizeof path, "/sys/class/virtio-ports/%.200s/name", device);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool there = fgets(name, sizeof name, file) != NULL;
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return there && strcmp(name, wanted) == 0;
}

/* A port that process 1 has open: nobody else may open it as well. */
static int taken_over(const char *name)
{
	struct dirent *entry;
	int fd = -1;
	int first = (int)syscall(SYS_pidfd_open, 1, 0);
	DIR *open_there = opendir("/proc/1/fd");

	while (open_there != NULL && fd == -1 && (entry = readdir(open_there)) != NULL)
		if (has_name(device_of(entry->d_name), name))
			fd = (int)syscall(SYS_pidfd_getfd, first, atoi(entry->d_name), 0);
	if (open_there != NULL)
		closedir(open_there);
	if (fd == -1)
		give_up(name);
	close(first);
	return fd;
}

/* A descriptor under a number that no server is to have for something else. */
static int out_of_the_way(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

	if (moved == -1)
		give_up("no descriptor");
	close(fd);
	return moved;
}

/* Who started us is still connected: a port says that nobody is by POLLHUP (virtio_console). */
static void await_end(int line)
{
	struct pollfd look = {.fd = line, .events = 0, .revents = 0};
	struct timespec pause = {0, 10000000};

	while (poll(&look, 1, 0) != 1 || (look.revents & POLLHUP) == 0)
		nanosleep(&pause, NULL);
}

/* In a process of its own: what init remembers of one identity is nothing to the next. How many processes its
 * servers may have, init is told as well: it starts those of later connections. */
static void take_one(void)
{
	struct rlimit processes;
	pid_t pid = fork();

	if (pid == -1)
		give_up("no process for an identity");
	if (pid == 0) {
		take_identity();
		if (getrlimit(RLIMIT_NPROC, &processes) == -1 ||
		    prlimit(1, RLIMIT_NPROC, &processes, NULL) == -1)
			give_up("cannot limit processes");
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
}

/* A word of the waiting server: that it waits, or that a connection is taken. */
static void hear(int told)
{
	char byte;
	ssize_t got;

	do
		got = read(told, &byte, 1);
	while (got == -1 && errno == EINTR);
	if (got != 1)
		give_up("the SSH server has gone");
}

int main(int argc, char **argv)
{
	const struct timespec quiet = {QUIET, 0};
	int again[2], times = argc == 2 ? atoi(argv[1]) : 0;

	if (times < 1 || getuid() != 0) {
		fputs("rehearse: how often? (as root)\n", stderr);
		return 1;
	}
	umask(022);
	leave();
	signal(SIGCHLD, SIG_IGN); /* as in process 1: children leave no zombies */
	port = out_of_the_way(taken_over("isolab"));
	int line = out_of_the_way(taken_over("isolab.ssh"));
	if (pipe2(again, O_CLOEXEC) == -1)
		give_up("no pipe");
	int going_on = out_of_the_way(again[1]), reading = out_of_the_way(again[0]);
	if (dup2(reading, AGAIN) == -1)
		give_up("no descriptor");
	close(reading);
	await_end(line);
	int told = serve_in_advance(line);
	close(AGAIN);
	for (int left = times; left >= 0; left--) {
		make_room();
		if (left == 0)
			sleep(SETTLING);
		dprintf(port, "ready\n");
		take_one();
		dprintf(port, "sshd\n");
		hear(told); /* taken */
		if (left > 0) {
			if (write(going_on, "", 1) != 1)
				give_up("the SSH server has gone");
			hear(told); /* over: it waits for the next */
		}
	}
	close(going_on); /* the server that waits ends: its child has the connection */
	/* As init, and as late: what is said at once would be translated at once. */
	nanosleep(&quiet, NULL);
	say("listening for SSH");
	return 0;
}
