/*
 * run --stand-by: between an SSH server and the command it starts for a person.
 *
 * The program stays in the server's session, on its terminal and with its environment (to which
 * --env adds), and what it leaves running goes on. But it finds every signal at its default (a server may ignore some), and
 * when a signal ends it, we say so and exit with 128 plus the number, as a shell would: an SSH
 * client gives 255 for a signal, the status of a lost connection.
 */
#include "run.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int exit_status(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* Whoever types Ctrl-C or closes a pipe knows it: shells are silent about these two as well. */
	int number = WTERMSIG(status);
	if (number != SIGINT && number != SIGPIPE)
		fprintf(stderr, "isolab: killed by %s\n", signal_name(number));
	return 128 + number;
}

static int become(const struct order *order)
{
	if (default_signals() == -1 || (order->dir != NULL && chdir(order->dir) == -1))
		return -1;
	if (order->switch_user &&
	    (setgroups(0, NULL) == -1 || setgid(order->gid) == -1 || setuid(order->uid) == -1))
		return -1;
	for (size_t i = 0; order->env[i] != NULL; i++)
		if (putenv(order->env[i]) != 0)
			return -1;
	return execv(order->file, order->argv);
}

int stand_by(const struct order *order)
{
	int status;
	pid_t pid = fork();

	if (pid == -1) {
		fprintf(stderr, "run: fork: %s\n", strerror(errno));
		return 125;
	}
	if (pid == 0) {
		become(order);
		fprintf(stderr, "run: %s: %s\n", order->file, strerror(errno));
		_exit(127);
	}
	/* What the keyboard sends goes to both of us, and is the program's business. */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGQUIT, SIG_IGN) == SIG_ERR) {
		fprintf(stderr, "run: signal: %s\n", strerror(errno));
		return 125;
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR) {
			fprintf(stderr, "run: waitpid: %s\n", strerror(errno));
			return 125;
		}
	return exit_status(status);
}
