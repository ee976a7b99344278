/*
 * How much processor time a program and all it started have used so far, the living and the dead.
 *
 * The dead that were waited for are in the books of whoever waited (getrusage(2), RUSAGE_CHILDREN);
 * the living are those that descend from us.
 */
#include "run.h"

#include <sys/resource.h>
#include <unistd.h>

/* More living processes than a tree may have; what is beyond is not counted. */
enum { MAX_SEEN = 4096 };

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

uint64_t processor_time_of_the_living(void)
{
	static struct process seen[MAX_SEEN];
	size_t count = look_around(seen, MAX_SEEN);
	uint64_t ticks = 0;
	long per_second = sysconf(_SC_CLK_TCK);

	for (size_t i = 0; i < count; i++)
		ticks += seen[i].ours ? seen[i].ticks : 0;
	return per_second > 0 ? ticks * 1000000 / (uint64_t)per_second : 0;
}
