/*
 * What a program finds around it that is not its files: signals, limits, priority, descriptors.
 *
 * They are the same on every machine, whoever started isolab and from what shell: execve(2) keeps
 * them, and a caller's `ulimit -f`, `nice`, `trap '' PIPE` or open file would become the program's.
 * What takes a privilege we lack stays as it is; a limit is then lowered only as far as its hard
 * value allows.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * KIB, UNCHANGED = 0xffffffff, EXECUTION_DOMAIN = 0xff };

/* The kernel's own initial limits (INIT_RLIMITS), with numbers where it derives them from the memory.
 * RLIMIT_NPROC counts all processes of a user, so it is the business of whoever chooses the user. */
static const struct {
	int resource;
	rlim_t soft, hard;
} limits[] = {
	{RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_CORE, 0, RLIM_INFINITY},
	{RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_LOCKS, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_MEMLOCK, 8 * MIB, 8 * MIB},
	{RLIMIT_MSGQUEUE, 800 * KIB, 800 * KIB},
	{RLIMIT_NICE, 0, 0},
	{RLIMIT_NOFILE, 1024, 4096},
	{RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_RTPRIO, 0, 0},
	{RLIMIT_RTTIME, RLIM_INFINITY, RLIM_INFINITY},
	{RLIMIT_SIGPENDING, 1024, 1024},
	{RLIMIT_STACK, 8 * MIB, RLIM_INFINITY},
};

int default_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL); /* fails for KILL, STOP and numbers that do not exist */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit wanted = {soft, hard}, found;

	if (setrlimit(resource, &wanted) == 0)
		return 0;
	if (errno != EPERM || getrlimit(resource, &found) == -1)
		return -1;
	if (hard > found.rlim_max)
		wanted.rlim_max = found.rlim_max;
	if (soft > wanted.rlim_max)
		wanted.rlim_cur = wanted.rlim_max;
	return setrlimit(resource, &wanted);
}

int default_limits(void)
{
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if (set_limit(limits[i].resource, limits[i].soft, limits[i].hard) == -1)
			return -1;
	return 0;
}

int default_priority(void)
{
	struct sched_param none = {.sched_priority = 0};

	/* The C library of our programs has no sched_setscheduler(2). */
	if (syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none) == -1 && errno != EPERM)
		return -1;
	if (setpriority(PRIO_PROCESS, 0, 0) == -1 && errno != EACCES && errno != EPERM)
		return -1;
	/* Flags such as ADDR_NO_RANDOMIZE; the low byte is the system the processor runs. */
	int found = personality(UNCHANGED);
	if (found == -1 || personality((unsigned long)found & EXECUTION_DOMAIN) == -1)
		return -1;
	return 0;
}

/* For kernels before 5.11. */
static int close_each_on_exec(void)
{
	DIR *open_files = opendir("/proc/self/fd");
	struct dirent *entry;

	if (open_files == NULL)
		return -1;
	while ((entry = readdir(open_files)) != NULL) {
		int fd = atoi(entry->d_name);
		if (fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
			break;
	}
	int result = entry == NULL ? 0 : -1;
	if (closedir(open_files) == -1)
		return -1;
	return result;
}

int close_the_rest_on_exec(void)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	return close_each_on_exec();
}
