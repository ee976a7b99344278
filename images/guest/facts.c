/*
 * What this machine is and what it allows, found by trying, as seen by the user who asks.
 *
 * Each feature is an empty string when it is there, else the reason why not: the words a
 * skipped exercise shows. `spin_us` is the time a fixed piece of work took, the measure by
 * which the controller stretches its deadlines.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SPIN_ROUNDS = 2000000 };

/* How a compiler lays out a 64-bit number in a structure. */
struct padded {
	char before;
	long long value;
};

static int64_t spin_us(void)
{
	struct timespec begun, done;
	volatile uint32_t sink;
	uint32_t x = 2463534242u;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (int i = 0; i < SPIN_ROUNDS; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		if ((i & 1023) == 0)
			sink = x; /* so that the loop is not optimised away */
	}
	sink = x;
	(void)sink;
	clock_gettime(CLOCK_MONOTONIC, &done);
	return (int64_t)(done.tv_sec - begun.tv_sec) * 1000000 + (done.tv_nsec - begun.tv_nsec) / 1000;
}

/* Runs `attempt` in a child, so that success changes nothing here. 0, or its errno. */
static int in_child(int (*attempt)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == -1)
		return errno;
	if (pid == 0)
		_exit(attempt() == 0 ? 0 : errno);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int try_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_shm(void)
{
	char name[64];

	snprintf(name, sizeof name, "/isolab-facts-%d", (int)getpid());
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (fd == -1)
		return -1;
	close(fd);
	return shm_unlink(name);
}

static int try_queue(void)
{
	char name[64];

	snprintf(name, sizeof name, "/isolab-facts-%d", (int)getpid());
	/* Small: all queues of a user share RLIMIT_MSGQUEUE, getrlimit(2). */
	struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 1};
	mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &small);
	if (queue == (mqd_t)-1) {
		int error = errno;
		/* Where Landlock refuses to open it, it has been made all the same, and would stay. */
		mq_unlink(name);
		errno = error;
		return -1;
	}
	mq_close(queue);
	return mq_unlink(name);
}

static int try_sysv(void)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	return id == -1 ? -1 : shmctl(id, IPC_RMID, NULL);
}

static int try_seccomp(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	return (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

static void feature(const char *name, int error, int last)
{
	printf("\"%s\": \"%s\"%s", name, error == 0 ? "" : strerror(error), last ? "}" : ", ");
}

static const char *cgroup_memory(void)
{
	struct statvfs about;
	char line[256] = "";

	FILE *file = fopen("/sys/fs/cgroup/cgroup.controllers", "re");
	if (file == NULL)
		return "no cgroup v2 hierarchy at /sys/fs/cgroup";
	if (fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	fclose(file);
	if (strstr(line, "memory") == NULL)
		return "the cgroup v2 hierarchy has no memory controller";
	if (statvfs("/sys/fs/cgroup", &about) == -1)
		return "/sys/fs/cgroup cannot be examined";
	return about.f_flag & ST_RDONLY ? "the cgroup v2 hierarchy is mounted read-only" : "";
}

int facts(void)
{
	struct utsname system;
	struct sysinfo memory;
	const uint32_t one = 1;

	if (uname(&system) == -1 || sysinfo(&memory) == -1) {
		perror("facts");
		return 1;
	}
	printf("{\"kernel\": \"%s\", \"machine\": \"%s\", \"hostname\": \"%s\"", system.release,
	       system.machine, system.nodename);
	printf(", \"bits\": %d, \"byte_order\": \"%s\", \"page_size\": %ld, \"cpus\": %ld",
	       (int)sizeof(void *) * 8, *(const unsigned char *)&one == 1 ? "little" : "big",
	       sysconf(_SC_PAGESIZE), sysconf(_SC_NPROCESSORS_ONLN));
	printf(", \"long\": %d, \"long_double\": %d, \"char_signed\": %s, \"wchar_signed\": %s, \"aligned\": %d",
	       (int)sizeof(long), LDBL_MANT_DIG, CHAR_MIN < 0 ? "true" : "false",
	       WCHAR_MIN < 0 ? "true" : "false", (int)offsetof(struct padded, value));
	printf(", \"memory\": %llu, \"uid\": %d, \"landlock_abi\": %d, \"no_new_privs\": %s",
	       (unsigned long long)memory.totalram * memory.mem_unit, (int)getuid(), landlock_abi(),
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "true" : "false");
	printf(", \"time\": %lld, \"spin_us\": %lld", (long long)time(NULL), (long long)spin_us());
	printf(", \"features\": {");
	fflush(stdout); /* the children of in_child must not print it again */
	feature("user-namespaces", in_child(try_user_namespace), 0);
	feature("posix-shm", in_child(try_shm), 0);
	feature("posix-mqueue", in_child(try_queue), 0);
	feature("sysv-ipc", in_child(try_sysv), 0);
	feature("seccomp", in_child(try_seccomp), 0);
	printf("\"landlock\": \"%s\", ", landlock_abi() > 0 ? "" : "this kernel has no Landlock");
	printf("\"cgroup-memory\": \"%s\"}}\n", cgroup_memory());
	return fflush(stdout) == 0 ? 0 : 1;
}
