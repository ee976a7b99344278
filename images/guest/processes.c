/*
 * The processes there are, and which of them descend from us: proc_pid_stat(5).
 */
#include "run.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool look_at(pid_t pid, struct process *process)
{
	char path[64], line[512], state;
	uint64_t user, system, childrens_user, childrens_system;
	int parent;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	/* Without stdio's buffers: while a tree is frozen, it grows for as long as we look. */
	int stat = open(path, O_RDONLY | O_CLOEXEC);
	if (stat == -1)
		return false; /* it has just gone */
	ssize_t length = read(stat, line, sizeof line - 1);
	close(stat);
	if (length <= 0)
		return false;
	line[length] = '\0';
	/* The name in parentheses may hold anything; the fields follow its last ')'. */
	const char *after = strrchr(line, ')');
	int fields = after == NULL ? 0
				   : sscanf(after + 1,
					    " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
					    " %" SCNu64 " %" SCNu64,
					    &state, &parent, &user, &system, &childrens_user, &childrens_system);
	if (fields != 6)
		return false;
	*process = (struct process){
		.pid = pid,
		.parent = parent,
		.ticks = user + system + childrens_user + childrens_system,
		.dead = state == 'Z' || state == 'X',
	};
	return true;
}

static int by_number(const void *one, const void *other)
{
	pid_t a = ((const struct process *)one)->pid, b = ((const struct process *)other)->pid;

	return (a > b) - (a < b);
}

struct process *process_of(struct process *seen, size_t count, pid_t pid)
{
	const struct process key = {.pid = pid};

	return bsearch(&key, seen, count, sizeof key, by_number);
}

/* Most have greater numbers than their parents, so that few rounds are needed. */
static void mark_ours(struct process *seen, size_t count)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			if (seen[i].ours)
				continue;
			const struct process *parent = process_of(seen, count, seen[i].parent);
			if (seen[i].parent == getpid() || (parent != NULL && parent->ours))
				seen[i].ours = more = true;
		}
	}
}

size_t look_around(struct process *seen, size_t most)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	if (proc == NULL)
		return 0;
	while (count < most && (entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		if (pid > 0 && look_at(pid, &seen[count]))
			count++;
	}
	closedir(proc);
	qsort(seen, count, sizeof *seen, by_number);
	mark_ours(seen, count);
	return count;
}
