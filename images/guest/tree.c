/*
 * The end of a whole process tree, also of one that multiplies while it is being ended.
 *
 * Processes that are killed one after the other make room for the children of those that are left, so a
 * tree is frozen first: each process is stopped, and may start no other (RLIMIT_NPROC, prlimit(2)). What
 * it had started meanwhile is found by looking again; that inherits the limit, so it is over soon, and
 * whoever wakes a stopped process does not give it back the right to start others.
 */
#include "run.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	MOST_SEEN = 32768, /* processes; the memory is taken only as far as there are any */
	MOST_LOOKS = 100,  /* until a tree is killed although it still grows: without root it may be able to */
};

struct member {
	pid_t pid, parent;
	bool ours, dead;
};

struct view {
	struct member members[MOST_SEEN]; /* in the order of their numbers */
	size_t count;
};

static bool look_at(pid_t pid, struct member *member)
{
	char path[64], line[512], state;
	int parent;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *stat = fopen(path, "re");
	if (stat == NULL)
		return false; /* it has just gone */
	/* The name in parentheses may hold anything; the fields follow its last ')'. */
	const char *after = fgets(line, sizeof line, stat) != NULL ? strrchr(line, ')') : NULL;
	int fields = after == NULL ? 0 : sscanf(after + 1, " %c %d", &state, &parent);
	fclose(stat);
	if (fields != 2)
		return false;
	*member = (struct member){pid, parent, false, state == 'Z' || state == 'X'};
	return true;
}

static int by_number(const void *one, const void *other)
{
	pid_t a = ((const struct member *)one)->pid, b = ((const struct member *)other)->pid;

	return (a > b) - (a < b);
}

static struct member *member_of(struct view *view, pid_t pid)
{
	const struct member key = {.pid = pid};

	return bsearch(&key, view->members, view->count, sizeof key, by_number);
}

/* Marks our descendants. Most have greater numbers than their parents, so that few rounds are needed. */
static void mark_ours(struct view *view)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < view->count; i++) {
			struct member *member = &view->members[i];
			if (member->ours)
				continue;
			const struct member *parent = member_of(view, member->parent);
			if (member->parent == getpid() || (parent != NULL && parent->ours))
				member->ours = more = true;
		}
	}
}

static void look_around(struct view *view)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	view->count = 0;
	if (proc == NULL)
		return;
	while (view->count < MOST_SEEN && (entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		if (pid > 0 && look_at(pid, &view->members[view->count]))
			view->count++;
	}
	closedir(proc);
	qsort(view->members, view->count, sizeof *view->members, by_number);
	mark_ours(view);
}

/* Returns how many there are that the look before did not find. */
static size_t freeze(const struct view *view, struct view *before)
{
	const struct rlimit none = {0, 0};
	size_t found = 0;

	for (size_t i = 0; i < view->count; i++) {
		const struct member *member = &view->members[i];
		if (!member->ours || member->dead)
			continue;
		const struct member *known = member_of(before, member->pid);
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
	look_around(now);
	for (int looks = 1; freeze(now, before) > 0 && looks < MOST_LOOKS; looks++) {
		struct view *other = before;
		before = now;
		now = other;
		look_around(now);
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
