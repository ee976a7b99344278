/*
 * The end of a whole process tree, also of one that multiplies while it is being ended.
 *
 * Processes that are killed one after the other make room for the children of those that are left, so a
 * tree is frozen first: each process is stopped, and may start no other (RLIMIT_NPROC, prlimit(2)). What
 * it had started meanwhile is found by looking again; that inherits the limit, so it is over soon, and
 * whoever wakes a stopped process does not give it back the right to start others.
 */
#include "run.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	MOST_SEEN = 32768, /* processes; the memory is taken only as far as there are any */
	MOST_LOOKS = 100,  /* until a tree is killed although it still grows: without root it may be able to */
};

struct view {
	struct process members[MOST_SEEN]; /* in the order of their numbers */
	size_t count;
};

static void look(struct view *view)
{
	view->count = look_around(view->members, MOST_SEEN);
}

/* Returns how many there are that the look before did not find. */
static size_t freeze(const struct view *view, struct view *before)
{
	const struct rlimit none = {0, 0};
	size_t found = 0;

	for (size_t i = 0; i < view->count; i++) {
		const struct process *member = &view->members[i];
		if (!member->ours || member->dead)
			continue;
		const struct process *known = process_of(before->members, before->count, member->pid);
		if (known != NULL && known->ours)
			continue;
		/* Either fails for who has just ended; and, where we are not root, for another user's. */
		(void)kill(member->pid, SIGSTOP);
		(void)prlimit(member->pid, RLIMIT_NPROC, &none, NULL);
		found++;
	}
	return found;
}

void kill_descendants(void)
{
	static struct view views[2];
	struct view *now = &views[0], *before = &views[1];

	before->count = 0;
	look(now);
	for (int looks = 1; freeze(now, before) > 0 && looks < MOST_LOOKS; looks++) {
		struct view *other = before;
		before = now;
		now = other;
		look(now);
	}
	for (size_t i = 0; i < now->count; i++)
		if (now->members[i].ours && !now->members[i].dead)
			kill(now->members[i].pid, SIGKILL);
}

/* The C library of our programs has no scheduling calls. */
int hurry(void)
{
	const struct sched_param first = {.sched_priority = 1}; /* ours alone: what we may start does not have it */
	int usual = (int)syscall(SYS_sched_getscheduler, 0);

	/* Without the right to, we wait for our turn. */
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &first);
	return usual;
}

void take_turns(int usual)
{
	const struct sched_param none = {.sched_priority = 0};

	if (usual >= 0)
		(void)syscall(SYS_sched_setscheduler, 0, usual, &none);
}
