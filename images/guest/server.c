/*
 * server.c - dropbear, one process for each connection, as inetd(8) starts servers.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_URGENT = -20 };

#define PREACCEPT "/usr/lib/isolab/preaccept.so"

static pid_t in_advance;

/* The socket of the SSH server. Connections wait in its queue until somebody accepts them. */
int listen_for_ssh(void)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(22)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (listener == -1 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1 ||
	    bind(listener, (struct sockaddr *)&where, sizeof where) == -1 || listen(listener, 16) == -1)
		give_up("cannot listen for SSH");
	return listener;
}

/*
 * One SSH server per connection, as inetd(8) does it. -i talk on standard input and output, -s no
 * passwords, -j -k no forwarding. Not -E, which would log to the console: before 2024 dropbear
 * refuses both together.
 */
static void become_server(const char *preload)
{
	static char *const argv[] = {"/usr/sbin/dropbear", "-i", "-s", "-j", "-k", "-r", HOST_KEY, NULL};
	static char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL, NULL, NULL};
	const struct sched_param none_of_it = {.sched_priority = 0};
	sigset_t none;

	if (preload != NULL) {
		environment[1] = (char *)preload;
		environment[2] = "LD_BIND_NOW=1";
	}
	setsid();
	/* What we ignore the server would, and after it what people start: signal(7). */
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL); /* fails for KILL, STOP and numbers that do not exist */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Before any program, however many there are; but what it starts is as usual: sched(7). */
	if (syscall(SYS_sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none_of_it) == -1 ||
	    setpriority(PRIO_PROCESS, 0, MOST_URGENT) == -1)
		say("the SSH server has no priority: %s", strerror(errno));
	/* A program that eats all memory must not take the connection with it: proc(5). */
	write_file("/proc/self/oom_score_adj", "-1000", 0644);
	execve(argv[0], argv, environment);
	say("the SSH server cannot be started: %s", strerror(errno));
	_exit(127);
}

static void serve_ssh(int connection)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(connection, STDIN_FILENO) == -1 || dup2(connection, STDOUT_FILENO) == -1)
			_exit(127);
		become_server(NULL);
	}
	if (pid == -1)
		say("no process for an SSH connection: %s", strerror(errno));
}

/*
 * The server of the first connection, started before there is one: see preaccept.c. It waits on the
 * listening socket or on a line of its own to the controller. Gives the pipe that ends when it has
 * its connection, or has failed; it has said that it waits.
 */
int serve_in_advance(int waiting_on)
{
	int told[2];
	char here;

	if (pipe2(told, O_CLOEXEC) == -1)
		give_up("no pipe");
	pid_t pid = fork();
	if (pid == 0) {
		/* Moved out of the way first: either may be the number the other is to have. */
		int from = fcntl(waiting_on, F_DUPFD, 10), to = fcntl(told[1], F_DUPFD, 10);
		if (dup2(from, 3) == -1 || dup2(to, 4) == -1)
			_exit(127);
		close(from);
		close(to);
		become_server("LD_PRELOAD=" PREACCEPT);
	}
	in_advance = pid;
	close(told[1]);
	/* Nobody would answer the first connection: better to say so now than to let it wait. */
	if (pid == -1 || read(told[0], &here, 1) != 1) {
		errno = pid == -1 ? EAGAIN : ENOEXEC;
		give_up("the SSH server does not start");
	}
	return told[0];
}

/* The SSH server, and all that is started over it, may have so many processes of each user but root:
 * getrlimit(2), RLIMIT_NPROC. */
static void limit_processes_of(pid_t server, unsigned long most)
{
	const struct rlimit limit = {most, most};

	if (prlimit(server, RLIMIT_NPROC, &limit, NULL) == -1)
		say("cannot limit processes: %s", strerror(errno));
}

/* The same for the servers of this machine, the one that waits already included. */
void limit_processes(unsigned long most)
{
	limit_processes_of(0, most);
	if (in_advance > 0)
		limit_processes_of(in_advance, most);
}

/* Wait until the server started in advance has its connection. */
void wait_for_end(int pipe_end)
{
	char byte;

	while (read(pipe_end, &byte, 1) == -1 && errno == EINTR)
		;
	close(pipe_end);
}

/* A program in this machine would have us start servers, as root, until there is neither memory nor time
 * for anything else. The controller's connections come over the network. */
static bool from_here(int connection, const struct sockaddr_in *peer)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t length = sizeof own;

	if (getsockname(connection, (struct sockaddr *)&own, &length) == -1)
		return true; /* it has gone already */
	return peer->sin_addr.s_addr == own.sin_addr.s_addr ||
	       ntohl(peer->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

void serve_for_ever(int listener)
{
	for (;;) {
		struct sockaddr_in peer = {.sin_family = AF_INET};
		socklen_t length = sizeof peer;
		int connection = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
		if (connection == -1)
			continue;
		if (!from_here(connection, &peer))
			serve_ssh(connection);
		close(connection);
	}
}
