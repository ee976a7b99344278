/*
 * forking - the library of the waiting SSH server (preaccept.c), for a machine that is frozen after rehearsals.
 *
 * A server that is started anew lies at other addresses, where an emulator translates its code again. So the
 * one that waits forks, and its child serves the connection: all of them are where the first one is, and
 * address space randomisation stays on for whatever else is started in the machine. What the server gives up
 * by it is what that of a clone gives up as well: all that come from one image share its addresses.
 */
#include "../preaccept.c"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { AGAIN = 5, MOST_URGENT = -20 };

/* Before preaccept.c's own constructor, which finds the connection there. Comes back in a child only. */
__attribute__((constructor(101))) static void serve_again_and_again(void)
{
	const struct sched_param none_of_it = {.sched_priority = 0};
	const char here = '.';
	char byte;

	for (;;) {
		if (write(TO_INIT, &here, 1) != 1)
			_exit(127);
		wait_for_somebody(WAITING_ON);
		pid_t pid = fork();
		if (pid == -1)
			_exit(127);
		if (pid == 0)
			break;
		/* One byte: this was a rehearsal. The end of the pipe: it was not, and nobody waits here any more. */
		if (read(AGAIN, &byte, 1) != 1)
			_exit(0);
		while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
			;
	}
	close(AGAIN);
	setsid();
	/* SCHED_RESET_ON_FORK has taken away what server.c gave. */
	if (syscall(SYS_sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none_of_it) == -1 ||
	    setpriority(PRIO_PROCESS, 0, MOST_URGENT) == -1)
		_exit(127);
}
