/*
 * How much processor time a program and all it started have used so far, the living and the dead.
 *
 * The dead that were waited for are in the books of whoever waited (getrusage(2), RUSAGE_CHILDREN);
 * the living are found in /proc by their parents, up to ourselves: proc_pid_stat(5).
 */
#include "run.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* More living processes than a tree may have; what is beyond is not counted. */
enum { MAX_SEEN = 4096 };

struct seen {
	pid_t pid, parent;
	uint64_t ticks;
	bool ours;
};

uint64_t microseconds(struct timeval value)
{
	return (uint64_t)value.tv_sec * 1000000 + (uint64_t)value.tv_usec;
}

uint64_t processor_time_of_the_dead(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_CHILDREN, &usage) == -1)
		return 0; /* EFAULT and EINVAL only */
	return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

static bool look_at(pid_t pid, struct seen *seen)
{
	char path[64], line[512];
	uint64_t user, system, childrens_user, childrens_system;
	int parent;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *stat = fopen(path, "re");
	if (stat == NULL)
		return false; /* it has just gone */
	/* The name in parentheses may hold anything; the fields follow its last ')'. */
	const char *after = fgets(line, sizeof line, stat) != NULL ? strrchr(line, ')') : NULL;
	int fields = after == NULL ? 0
				   : sscanf(after + 1,
					    " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
					    " %" SCNu64 " %" SCNu64,
					    &parent, &user, &system, &childrens_user, &childrens_system);
	fclose(stat);
	if (fields != 5)
		return false;
	*seen = (struct seen){pid, parent, user + system + childrens_user + childrens_system, false};
	return true;
}

static size_t look_around(struct seen *seen)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	if (proc == NULL)
		return 0;
	while (count < MAX_SEEN && (entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		if (pid > 0 && look_at(pid, &seen[count]))
			count++;
	}
	closedir(proc);
	return count;
}

/* Children of `parent`, and theirs: those newly found, until there are none. */
static uint64_t ticks_below(pid_t parent, struct seen *seen, size_t count)
{
	uint64_t sum = 0;
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			bool below = seen[i].parent == parent;
			for (size_t j = 0; !below && !seen[i].ours && j < count; j++)
				below = seen[j].ours && seen[j].pid == seen[i].parent;
			if (!below || seen[i].ours)
				continue;
			seen[i].ours = more = true;
			sum += seen[i].ticks;
		}
	}
	return sum;
}

uint64_t processor_time_of_the_living(void)
{
	static struct seen seen[MAX_SEEN];
	uint64_t ticks = ticks_below(getpid(), seen, look_around(seen));
	long per_second = sysconf(_SC_CLK_TCK);

	return per_second > 0 ? ticks * 1000000 / (uint64_t)per_second : 0;
}
