/*
 * init - process 1 of the micro image.
 *
 * Mounts what the exercises need, loads the few modules the machine needs, says "ready" on the
 * virtio-serial port named "isolab" (on a machine that has none: on the serial port that the
 * kernel's command line names, as in "isolab.port=ttyS1"), waits there for its identity (host key, authorised key,
 * name, time, entropy), and only then starts the SSH server: the controller knows the host key
 * before the first connection, and a clone frozen while waiting shares no secret with its
 * siblings. After that it reaps orphans. An exported machine, which the kernel's command line calls
 * "isolab.appliance", has no port: appliance.sh gives it name, host key and addresses.
 *
 * In a full image, where systemd is process 1, the same program is a service: "--identity"
 * takes the identity only, "--listening" tells that the distribution's SSH server is up. In both,
 * "--keys" replaces the keys of student on a running machine.
 *
 * The port speaks lines. From us: "ready", "sshd", "failed REASON", and "note WORDS" for people. To us:
 * "NAME LENGTH", then LENGTH bytes; the name "end" (length 0) closes the list. A machine on private networks
 * is also sent "network", "hosts" and, where it has a way out, "gateway"; one with a home disk "home" (its size in
 * bytes), before any key; further "student-keys" (repeated, if they are many) and "processes".
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE_LIST "/lib/modules/load"
#define APPLIANCE "/etc/isolab/appliance"

enum {
	SETTLING = 3, /* seconds */
	QUIET = 1000, /* milliseconds */
	BYTES_FOR_EACH_FILE = 8192,
	SEGMENTS_PERCENT = 10,
	MESSAGES_PERCENT = 12,
	SEMAPHORES_PERCENT = 6,
	QUEUE_BYTES = 16384 * 64, /* msgmnb messages of a byte, each with its header, take most */
	SEMAPHORE_BYTES = 64,
	LEAST_QUEUES = 8,
};

bool full;

static void mount_all(void)
{
	static const struct {
		const char *type, *where, *options;
		mode_t mode;
	} mounts[] = {
		{"proc", "/proc", "", 0555},
		{"sysfs", "/sys", "", 0555},
		{"devtmpfs", "/dev", "mode=0755", 0755},
		{"devpts", "/dev/pts", "mode=0620,gid=5,ptmxmode=0666", 0755},
		{"tmpfs", "/dev/shm", "mode=1777", 01777},
		{"mqueue", "/dev/mqueue", "", 01777},
		{"tmpfs", "/tmp", "mode=1777", 01777},
		{"tmpfs", "/run", "mode=0755", 0755},
		{"tmpfs", "/work", "mode=0711", 0711},
		{"cgroup2", "/sys/fs/cgroup", "", 0555},
	};

	for (size_t i = 0; i < LENGTH(mounts); i++) {
		if (mkdir(mounts[i].where, mounts[i].mode) == -1 && errno != EEXIST)
			say("cannot make %s: %s", mounts[i].where, strerror(errno));
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, MS_NOSUID, mounts[i].options) == -1)
			say("no %s on %s: %s", mounts[i].type, mounts[i].where, strerror(errno));
	}
}

/* Names of a program's own descriptors: proc(5), which every distribution has. */
static void link_descriptors(void)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
	};

	for (size_t i = 0; i < LENGTH(links); i++)
		if (symlink(links[i][0], links[i][1]) == -1 && errno != EEXIST)
			say("cannot make %s: %s", links[i][1], strerror(errno));
	/* The kernel's first file system is open to all, as temporary ones are. */
	if (chmod("/", 0755) == -1)
		say("cannot change the mode of /: %s", strerror(errno));
}

/* Load the modules of a list; ``once`` they are in the kernel, their files only take memory. */
void load_modules(const char *list, bool once)
{
	char path[256];
	FILE *names = fopen(list, "re");

	if (names == NULL)
		return; /* everything is built in */
	while (fgets(path, sizeof path, names) != NULL) {
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1 || (syscall(SYS_finit_module, fd, "", 0) == -1 && errno != EEXIST))
			say("cannot load %s: %s", path, strerror(errno));
		if (fd != -1)
			close(fd);
		if (once)
			unlink(path);
	}
	fclose(names);
}

/* A file system in memory gets room for this much more than it has. */
static void bound(const char *where, unsigned long long bytes)
{
	struct statvfs has;
	struct statfs about;
	char words[64];

	if (statfs(where, &about) == -1 || about.f_type != TMPFS_MAGIC || statvfs(where, &has) == -1)
		return; /* an older kernel's root, or none of ours */
	/* ST_NOSUID is MS_NOSUID: statvfs(3). */
	snprintf(words, sizeof words, "size=%llu,nr_inodes=%llu",
		 (unsigned long long)(has.f_blocks - has.f_bfree) * has.f_frsize + bytes,
		 (unsigned long long)(has.f_files - has.f_ffree) + bytes / BYTES_FOR_EACH_FILE);
	if (mount("tmpfs", where, "tmpfs", MS_REMOUNT | (has.f_flag & ST_NOSUID), words) == -1)
		say("cannot limit %s: %s", where, strerror(errno));
}

/* The largest power of two up to a number, at least 1: the same on machines that are almost alike. */
static unsigned long long rounded(unsigned long long number)
{
	unsigned long long power = 1;

	while (power <= number / 2)
		power *= 2;
	return power;
}

/*
 * What outlives every process: files in memory and System V segments, messages and semaphores. Each of them
 * leaves room for the machine to go on, so that a program which fills one fails by itself.
 */
static void bound_what_stays(void)
{
	static const struct {
		const char *where;
		unsigned percent;
	} parts[] = {{"/work", 45}, {"/tmp", 15}, {"/dev/shm", 10}, {"/", 25} /* homes, /var/tmp */};
	struct sysinfo about;
	char words[32];

	if (sysinfo(&about) == -1)
		return; /* EFAULT only */
	unsigned long long free = (unsigned long long)about.freeram * about.mem_unit;
	for (size_t i = 0; i < LENGTH(parts); i++)
		bound(parts[i].where, free / 100 * parts[i].percent);
	snprintf(words, sizeof words, "%llu", free / 100 * SEGMENTS_PERCENT / (unsigned long)sysconf(_SC_PAGESIZE));
	write_file("/proc/sys/kernel/shmall", words, 0644);
	unsigned long long queues = rounded(free / 100 * MESSAGES_PERCENT / QUEUE_BYTES);
	snprintf(words, sizeof words, "%llu", queues > LEAST_QUEUES ? queues : LEAST_QUEUES);
	write_file("/proc/sys/kernel/msgmni", words, 0644);
	/* The others are the defaults: proc_sys_kernel(5). */
	snprintf(words, sizeof words, "32000 %llu 500 32000",
		 rounded(free / 100 * SEMAPHORES_PERCENT / SEMAPHORE_BYTES));
	write_file("/proc/sys/kernel/sem", words, 0644);
}

static void mount_point_files(void)
{
	mkdir("/root", 0700);
	mkdir("/root/.ssh", 0700);
	mkdir("/etc/dropbear", 0700);
	/* Children of the root cgroup may limit memory, processes and CPU: cgroups(7). */
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids +cpu", 0644);
	/* Warnings of the kernel stay in dmesg; the console is for us. */
	write_file("/proc/sys/kernel/printk", "1 4 1 7", 0644);
}

/* Run a program to its end, silently. */
void run_once(char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		int nothing = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(nothing, fd);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* A machine that is about to become a template runs what every clone will run first, so that
 * the kernel has seen it once. */
static void warm_up(void)
{
	run_once((char *[]){full ? "/usr/sbin/sshd" : "/usr/sbin/dropbear", full ? "-t" : "-V", NULL});
	run_once((char *[]){"/usr/lib/isolab/run", "--", "/usr/lib/isolab/run", "--facts", NULL});
	run_once((char *[]){"/bin/sh", "-c", "true", NULL});
	run_once((char *[]){"/bin/tar", "-c", "-f", "/dev/null", "/etc/passwd", NULL});
}

/* Until the first connection is over the worst, or somebody else knocks: what is said now would
 * have to be translated by an emulator that has better things to do. */
static void rest(int listener)
{
	struct pollfd knock = {.fd = listener, .events = POLLIN, .revents = 0};

	poll(&knock, 1, QUIET);
}

/* A machine that was exported: with nobody to tell it who it is, a script finds out. */
static void be_an_appliance(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", APPLIANCE, (char *)NULL);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0) {
		errno = pid == -1 ? errno : ENOEXEC;
		give_up(APPLIANCE);
	}
}

/* What process 1 does of a micro machine's identity, where systemd does the rest. */
static int serve_unit(const char *what)
{
	full = true;
	umask(022);
	open_port();
	if (strcmp(what, "--listening") == 0) {
		dprintf(port, "sshd\n");
		return 0;
	}
	network();
	make_room();
	prepare_for_home();
	if (asked_for("isolab.warm")) {
		warm_up();
		say("waiting for identity");
		sleep(SETTLING);
	} else {
		say("waiting for identity");
	}
	dprintf(port, "ready\n");
	take_identity();
	say("identity taken");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--identity") == 0 || strcmp(argv[1], "--listening") == 0))
		return serve_unit(argv[1]);
	if (argc == 2 && strcmp(argv[1], "--keys") == 0)
		return replace_student_keys();
	if (getpid() != 1) {
		fputs("init: only the kernel starts me\n", stderr);
		return 1;
	}
	umask(022);
	mount_all();
	int console = open("/dev/console", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && console != -1; fd++)
		dup2(console, fd);
	say("kernel up, mounts done");
	link_descriptors();
	load_modules(MODULE_LIST, false);
	prepare_for_home();
	bound_what_stays();
	mount_point_files();
	watch_what_is_executed();
	network();
	bool appliance = asked_for("isolab.appliance"), warm = asked_for("isolab.warm");
	if (appliance) {
		be_an_appliance();
	} else {
		open_port();
		if (warm)
			warm_up();
	}
	/* Orphans come to us, and end without leaving a zombie: sigaction(2), SA_NOCLDWAIT. */
	signal(SIGCHLD, SIG_IGN);
	int listener = listen_for_ssh();
	if (!appliance) {
		int line = find_port("isolab.ssh"), first = serve_in_advance(line == -1 ? listener : line);
		make_room();
		say("waiting for identity");
		if (warm)
			sleep(SETTLING); /* what the kernel has put off would be done by every clone again */
		dprintf(port, "ready\n");
		take_identity();
		dprintf(port, "sshd\n");
		if (line == -1)
			wait_for_end(first); /* they wait on the same socket */
		else
			rest(listener);
		say("listening for SSH");
	}
	serve_for_ever(listener);
}
