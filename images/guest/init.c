/*
 * init - process 1 of the micro image.
 *
 * Mounts what the exercises need, loads the few modules the machine needs, says "ready" on the
 * virtio-serial port named "isolab", waits there for its personality (host key, authorised key,
 * name, time, entropy), and only then starts the SSH server: the controller knows the host key
 * before the first connection, and a clone frozen while waiting shares no secret with its
 * siblings. After that it reaps orphans.
 *
 * In a full image, where systemd is process 1, the same program is a service: "--personality"
 * takes the personality only, "--listening" tells that the distribution's SSH server is up.
 *
 * The port speaks lines. From us: "ready", "sshd", "failed REASON". To us: "NAME LENGTH", then
 * LENGTH bytes; the name "end" (length 0) closes the list.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MODULE_LIST "/lib/modules/load"
#define HOST_KEY "/etc/dropbear/host_key"
#define OPENSSH_HOST_KEY "/etc/ssh/ssh_host_ed25519_key"
#define AUTHORISED "/root/.ssh/authorized_keys"
#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { MAX_VALUE = 64 * 1024 };

static int port = -1;
static bool full; /* a service of a full system, not process 1 */

/* One line on the console, with the time since boot: what a person sees while waiting. */
static void say(const char *format, ...)
{
	struct timespec now;
	va_list list;

	clock_gettime(CLOCK_BOOTTIME, &now);
	printf("isolab: %ld.%03ld ", (long)now.tv_sec, now.tv_nsec / 1000000);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
}

/* The machine cannot become what it was asked to be: say so and switch it off. */
static void give_up(const char *what)
{
	say("failed: %s: %s", what, strerror(errno));
	if (port != -1)
		dprintf(port, "failed %s: %s\n", what, strerror(errno));
	sync();
	sleep(1); /* let the console drain */
	reboot(RB_POWER_OFF);
	_exit(1);
}

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

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	size_t length = strlen(text);

	if (fd == -1 || write(fd, text, length) != (ssize_t)length)
		say("cannot write %s: %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
}

static void load_modules(void)
{
	char path[256];
	FILE *list = fopen(MODULE_LIST, "re");

	if (list == NULL)
		return; /* everything is built in */
	while (fgets(path, sizeof path, list) != NULL) {
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1 || (syscall(SYS_finit_module, fd, "", 0) == -1 && errno != EEXIST))
			say("cannot load %s: %s", path, strerror(errno));
		if (fd != -1)
			close(fd);
	}
	fclose(list);
}

static void bring_up(int probe, const char *interface, const char *address, const char *mask)
{
	struct ifreq request = {0};
	struct sockaddr_in where = {.sin_family = AF_INET};

	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	if (inet_pton(AF_INET, address, &where.sin_addr) != 1)
		return;
	memcpy(&request.ifr_addr, &where, sizeof where);
	if (ioctl(probe, SIOCSIFADDR, &request) == -1)
		say("%s: cannot set address %s: %s", interface, address, strerror(errno));
	if (inet_pton(AF_INET, mask, &where.sin_addr) == 1) {
		memcpy(&request.ifr_netmask, &where, sizeof where);
		if (ioctl(probe, SIOCSIFNETMASK, &request) == -1)
			say("%s: cannot set mask: %s", interface, strerror(errno));
	}
	if (ioctl(probe, SIOCGIFFLAGS, &request) == -1) {
		say("%s: no such interface: %s", interface, strerror(errno));
		return;
	}
	request.ifr_flags |= IFF_UP;
	if (ioctl(probe, SIOCSIFFLAGS, &request) == -1)
		say("%s: cannot bring it up: %s", interface, strerror(errno));
}

static void network(void)
{
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (probe == -1)
		give_up("no IPv4");
	bring_up(probe, "lo", "127.0.0.1", "255.0.0.0");
	/* The address QEMU's user network gives its guest. */
	bring_up(probe, "eth0", "10.0.2.15", "255.255.255.0");
	close(probe);
}

static bool named_isolab(const char *device)
{
	char path[300], name[32] = "";

	snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", device);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool match = fgets(name, sizeof name, file) != NULL && strcmp(name, "isolab\n") == 0;
	fclose(file);
	return match;
}

static int find_port(void)
{
	char path[300];
	int fd = -1;
	struct dirent *entry;
	DIR *ports = opendir("/sys/class/virtio-ports");

	if (ports == NULL)
		return -1;
	while (fd == -1 && (entry = readdir(ports)) != NULL) {
		if (!named_isolab(entry->d_name))
			continue;
		snprintf(path, sizeof path, "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(ports);
	return fd;
}

/* The driver makes its ports some time after the module is loaded: wait for ours. */
static void open_port(void)
{
	struct timespec pause = {0, 2000000};

	for (int tries = 0; tries < 15000; tries++) {
		port = find_port();
		if (port != -1)
			return;
		nanosleep(&pause, NULL);
	}
	give_up("no virtio-serial port named isolab");
}

/*
 * Start the clock of a machine that was frozen and copied. Some emulators forget a pending timer
 * interrupt (QEMU 7.2: riscv64, mips), and the kernel, which still waits for it, programs no
 * other one that is due later: every sleep lasts for ever. A timer due in the past is earlier
 * than anything it waits for, so it is programmed at once, and its interrupt finds all the rest.
 */
static void revive_timers(void)
{
	const struct timespec long_ago = {0, 1};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &long_ago, NULL);
}

/* Reading from a port nobody has connected to gives 0 bytes: virtio_console. Wait for them. */
static void read_exactly(void *buffer, size_t length)
{
	char *at = buffer;
	struct timespec pause = {0, 2000000};
	static bool waiting = true;

	while (length > 0) {
		ssize_t got = read(port, at, length);
		/* We may have fallen asleep in one machine and woken up in its copy. */
		if (waiting)
			revive_timers();
		waiting = got <= 0;
		if (got == -1 && errno != EINTR && errno != EAGAIN)
			give_up("cannot read the personality");
		if (got <= 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		at += got;
		length -= (size_t)got;
	}
}

static void read_header(char *name, size_t size, size_t *length)
{
	char line[64];
	size_t used = 0;

	do {
		if (used == sizeof line - 1) {
			errno = EPROTO;
			give_up("personality: header too long");
		}
		read_exactly(line + used, 1);
	} while (line[used++] != '\n');
	line[used] = '\0';
	if (size < 32 || sscanf(line, "%31s %zu", name, length) != 2 || *length > MAX_VALUE) {
		errno = EPROTO;
		give_up("personality: bad header");
	}
}

static void set_time(const char *text)
{
	long long seconds;
	long nanoseconds;
	struct timespec now;

	if (sscanf(text, "%lld.%9ld", &seconds, &nanoseconds) != 2)
		return;
	now.tv_sec = (time_t)seconds;
	now.tv_nsec = nanoseconds;
	if (clock_settime(CLOCK_REALTIME, &now) == -1)
		say("cannot set the clock: %s", strerror(errno));
}

static void add_entropy(const char *bytes, size_t length)
{
	struct rand_pool_info *pool = malloc(sizeof *pool + length);
	int fd = open("/dev/random", O_RDWR | O_CLOEXEC);

	if (pool == NULL || fd == -1)
		give_up("cannot take entropy");
	pool->entropy_count = (int)length * 8;
	pool->buf_size = (int)length;
	memcpy(pool->buf, bytes, length);
	/* Added, then used at once: a copy of a machine must not repeat its sibling's bytes. */
	if (ioctl(fd, RNDADDENTROPY, pool) == -1 || ioctl(fd, RNDRESEEDCRNG) == -1)
		give_up("cannot take entropy");
	explicit_bzero(pool->buf, length);
	free(pool);
	close(fd);
}

static void write_secret(const char *path, const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, bytes, length) != (ssize_t)length)
		give_up(path);
	close(fd);
}

static void set_name(const char *name, size_t length)
{
	char hosts[HOST_NAME_MAX + 64];

	if (length > HOST_NAME_MAX || sethostname(name, length) == -1)
		give_up("cannot set the host name");
	if (!full)
		return;
	write_file("/etc/hostname", name, 0644);
	snprintf(hosts, sizeof hosts, "127.0.0.1 localhost\n127.0.1.1 %s\n", name);
	write_file("/etc/hosts", hosts, 0644);
}

/* What tells this machine from its siblings; the same form as a machine-id(5). */
static void set_identity(const char *nonce)
{
	write_file("/run/isolab-nonce", nonce, 0644);
	if (full)
		write_file("/etc/machine-id", nonce, 0444);
}

static void take_personality(void)
{
	static char value[MAX_VALUE + 1];
	char name[32];
	size_t length;

	for (;;) {
		read_header(name, sizeof name, &length);
		read_exactly(value, length);
		value[length] = '\0';
		if (strcmp(name, "end") == 0)
			break;
		if (strcmp(name, "hostname") == 0)
			set_name(value, length);
		else if (strcmp(name, "time") == 0)
			set_time(value);
		else if (strcmp(name, "entropy") == 0)
			add_entropy(value, length);
		else if (strcmp(name, "host-key") == 0 && !full)
			write_secret(HOST_KEY, value, length);
		else if (strcmp(name, "host-key-openssh") == 0 && full)
			write_secret(OPENSSH_HOST_KEY, value, length);
		else if (strcmp(name, "authorised-key") == 0)
			write_secret(AUTHORISED, value, length);
		else if (strcmp(name, "nonce") == 0)
			set_identity(value);
	}
	explicit_bzero(value, sizeof value);
}

/* The socket of the SSH server. Connections wait in its queue until somebody accepts them. */
static int listen_for_ssh(void)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(22)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (listener == -1 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == -1 ||
	    bind(listener, (struct sockaddr *)&where, sizeof where) == -1 || listen(listener, 16) == -1)
		give_up("cannot listen for SSH");
	return listener;
}

/*
 * One SSH server per connection, as inetd(8) does it: nothing to start before the first one, and
 * on an emulated processor starting dropbear is half a connection's cost.
 */
static void serve_ssh(int connection)
{
	/* -i talk on standard input and output, -s no passwords, -j -k no forwarding. Not -E, which
	 * would log to the console: before 2024 dropbear refuses both together. */
	static char *const argv[] = {"/usr/sbin/dropbear", "-i", "-s", "-j", "-k", "-r", HOST_KEY, NULL};
	static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		signal(SIGCHLD, SIG_DFL);
		/* A program that eats all memory must not take the connection with it: proc(5). */
		write_file("/proc/self/oom_score_adj", "-1000", 0644);
		if (dup2(connection, STDIN_FILENO) == -1 || dup2(connection, STDOUT_FILENO) == -1)
			_exit(127);
		execve(argv[0], argv, environment);
		say("the SSH server cannot be started: %s", strerror(errno));
		_exit(127);
	}
	if (pid == -1)
		say("no process for an SSH connection: %s", strerror(errno));
}

/* Run a program to its end, silently. */
static void run_once(char *const argv[])
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
	char line[1024] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (file == NULL)
		return;
	bool wanted = fgets(line, sizeof line, file) != NULL && strstr(line, "isolab.warm") != NULL;
	fclose(file);
	if (!wanted)
		return;
	run_once((char *[]){full ? "/usr/sbin/sshd" : "/usr/sbin/dropbear", full ? "-t" : "-V", NULL});
	run_once((char *[]){"/usr/lib/isolab/run", "--", "/usr/lib/isolab/run", "--facts", NULL});
	run_once((char *[]){"/bin/sh", "-c", "true", NULL});
	run_once((char *[]){"/bin/tar", "-c", "-f", "/dev/null", "/etc/passwd", NULL});
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

/* What process 1 does of a micro machine's personality, where systemd does the rest. */
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
	warm_up();
	say("waiting for personality");
	dprintf(port, "ready\n");
	take_personality();
	say("personality taken");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--personality") == 0 || strcmp(argv[1], "--listening") == 0))
		return serve_unit(argv[1]);
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
	load_modules();
	mount_point_files();
	network();
	open_port();
	warm_up();
	say("waiting for personality");
	dprintf(port, "ready\n");
	take_personality();
	say("personality taken");
	/* Orphans come to us, and end without leaving a zombie: sigaction(2), SA_NOCLDWAIT. */
	signal(SIGCHLD, SIG_IGN);
	int listener = listen_for_ssh();
	say("listening for SSH");
	dprintf(port, "sshd\n");
	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (connection == -1)
			continue;
		serve_ssh(connection);
		close(connection);
	}
}
