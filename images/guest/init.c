/*
 * init - process 1 of the micro image.
 *
 * Mounts what the exercises need, loads the few modules the machine needs, says "ready" on the
 * virtio-serial port named "isolab" (on a machine that has none: on the serial port that the
 * kernel's command line names, as in "isolab.port=ttyS1"), waits there for its personality (host key, authorised key,
 * name, time, entropy), and only then starts the SSH server: the controller knows the host key
 * before the first connection, and a clone frozen while waiting shares no secret with its
 * siblings. After that it reaps orphans. An exported machine, which the kernel's command line calls
 * "isolab.appliance", has no port: appliance.sh gives it name, host key and addresses.
 *
 * In a full image, where systemd is process 1, the same program is a service: "--personality"
 * takes the personality only, "--listening" tells that the distribution's SSH server is up.
 *
 * The port speaks lines. From us: "ready", "sshd", "failed REASON". To us: "NAME LENGTH", then
 * LENGTH bytes; the name "end" (length 0) closes the list. A machine on private networks is also
 * sent "network", "hosts" and, where it has a way out, "gateway"; see there.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
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
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MODULE_LIST "/lib/modules/load"
#define HOST_KEY "/etc/dropbear/host_key"
#define OPENSSH_HOST_KEY "/etc/ssh/ssh_host_ed25519_key"
#define AUTHORISED "/root/.ssh/authorized_keys"
#define PREACCEPT "/usr/lib/isolab/preaccept.so"
#define APPLIANCE "/etc/isolab/appliance"
#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { MAX_VALUE = 64 * 1024, MAX_ENTROPY = 256, SETTLING = 3 /* seconds */ };

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
	/* The address QEMU's user network gives its guest, which is all it has: no IPv6 there, whose
	 * solicitations would keep an emulated processor busy while somebody waits for it. */
	write_file("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1", 0644);
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

/* The value of a word "NAME=VALUE" of the kernel's command line; name includes the "=". */
static bool told_by_kernel(const char *name, char *value, size_t size)
{
	char line[2048] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (file == NULL)
		return false;
	char *rest = fgets(line, sizeof line, file);
	fclose(file);
	for (char *word; rest != NULL && (word = strsep(&rest, " \n")) != NULL;) {
		if (strncmp(word, name, strlen(name)) != 0)
			continue;
		snprintf(value, size, "%s", word + strlen(name));
		return true;
	}
	return false;
}

static bool asked_for(const char *word)
{
	char value[8];

	return told_by_kernel(word, value, sizeof value);
}

/* A serial line carries bytes as they are only after it was told so: termios(3). */
static int open_serial_line(const char *device)
{
	char path[80];
	struct termios how;

	snprintf(path, sizeof path, "/dev/%s", device);
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd == -1 || tcgetattr(fd, &how) == -1)
		give_up(path);
	cfmakeraw(&how);
	cfsetspeed(&how, B115200);
	how.c_cflag |= CLOCAL | CREAD;
	if (tcsetattr(fd, TCSANOW, &how) == -1)
		give_up(path);
	return fd;
}

/* The driver makes its ports some time after the module is loaded: wait for ours. */
static void open_port(void)
{
	struct timespec pause = {0, 2000000};
	char device[64];

	if (told_by_kernel("isolab.port=", device, sizeof device)) {
		port = open_serial_line(device);
		return;
	}
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
	static uint32_t space[(sizeof(struct rand_pool_info) + MAX_ENTROPY) / sizeof(uint32_t)];
	struct rand_pool_info *pool = (struct rand_pool_info *)space;
	int fd = open("/dev/random", O_RDWR | O_CLOEXEC);

	if (fd == -1 || length > MAX_ENTROPY)
		give_up("cannot take entropy");
	pool->entropy_count = (int)length * 8;
	pool->buf_size = (int)length;
	memcpy(pool->buf, bytes, length);
	/* Added, then used at once: a copy of a machine must not repeat its sibling's bytes. */
	if (ioctl(fd, RNDADDENTROPY, pool) == -1 || ioctl(fd, RNDRESEEDCRNG) == -1)
		give_up("cannot take entropy");
	explicit_bzero(pool->buf, length);
	close(fd);
}

static void write_secret(const char *path, const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, bytes, length) != (ssize_t)length)
		give_up(path);
	close(fd);
}

static bool parse_mac(const char *text, unsigned char mac[6])
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		      &mac[4], &mac[5]) == 6;
}

static bool has_mac(int probe, const char *interface, const unsigned char mac[6])
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	return ioctl(probe, SIOCGIFHWADDR, &request) == 0 && memcmp(request.ifr_hwaddr.sa_data, mac, 6) == 0;
}

/* The name of the interface with this hardware address; interfaces are known by it, because the
 * kernel numbers them in the order in which it happens to find them. */
static bool find_interface(int probe, const unsigned char mac[6], char name[IFNAMSIZ])
{
	bool found = false;
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *at = all; at != NULL && at->if_index != 0 && !found; at++) {
		found = has_mac(probe, at->if_name, mac);
		if (found)
			snprintf(name, IFNAMSIZ, "%s", at->if_name);
	}
	if (all != NULL)
		if_freenameindex(all);
	return found;
}

/* An interface must be down to get another name or hardware address: netdevice(7). */
static void take_down(int probe, const char *interface)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	if (ioctl(probe, SIOCGIFFLAGS, &request) == -1)
		give_up(interface);
	request.ifr_flags = (short)(request.ifr_flags & ~IFF_UP);
	if (ioctl(probe, SIOCSIFFLAGS, &request) == -1)
		give_up(interface);
}

static void rename_interface(int probe, const char *from, const char *to)
{
	struct ifreq request = {0};

	take_down(probe, from);
	snprintf(request.ifr_name, IFNAMSIZ, "%s", from);
	snprintf(request.ifr_newname, IFNAMSIZ, "%s", to);
	if (ioctl(probe, SIOCSIFNAME, &request) == -1)
		give_up(to);
}

static void set_mac(int probe, const char *interface, const unsigned char mac[6])
{
	struct ifreq request = {0};

	if (has_mac(probe, interface, mac))
		return;
	snprintf(request.ifr_name, IFNAMSIZ, "%s", interface);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, 6);
	if (ioctl(probe, SIOCSIFHWADDR, &request) == -1)
		give_up("cannot set the hardware address");
}

/* The first interface must be eth0 again if it was one of the private ones that had this name. */
static void restore_eth0(int probe)
{
	struct if_nameindex *all = if_nameindex();
	char name[IFNAMSIZ] = "";

	for (struct if_nameindex *at = all; at != NULL && at->if_index != 0; at++)
		if (strcmp(at->if_name, "eth0") == 0 || (name[0] == '\0' && strncmp(at->if_name, "eth", 3) == 0))
			snprintf(name, IFNAMSIZ, "%s", at->if_name);
	if (all != NULL)
		if_freenameindex(all);
	if (name[0] == '\0' || strcmp(name, "eth0") == 0)
		return;
	rename_interface(probe, name, "eth0");
	bring_up(probe, "eth0", "10.0.2.15", "255.255.255.0");
}

/* One line of "network": FOUND-BY-MAC MAC ADDRESS/PREFIX; the interface becomes lan0, lan1 ... */
static void join(int probe, const char *line, int number)
{
	char found_by[32], wanted[32], address[32], name[IFNAMSIZ], lan[IFNAMSIZ], mask[INET_ADDRSTRLEN];
	unsigned char there[6], own[6];
	unsigned prefix;

	errno = EPROTO;
	if (sscanf(line, "%31s %31s %31[0-9.]/%u", found_by, wanted, address, &prefix) != 4 ||
	    !parse_mac(found_by, there) || !parse_mac(wanted, own) || prefix < 1 || prefix > 32)
		give_up("personality: bad network");
	errno = ENODEV;
	if (!find_interface(probe, there, name))
		give_up("no interface for a network");
	snprintf(lan, sizeof lan, "lan%d", number);
	rename_interface(probe, name, lan);
	set_mac(probe, lan, own);
	struct in_addr bits = {.s_addr = htonl(0xffffffffu << (32 - prefix))};
	if (inet_ntop(AF_INET, &bits, mask, sizeof mask) == NULL)
		give_up("bad prefix length");
	bring_up(probe, lan, address, mask);
}

static void join_networks(char *lines)
{
	int number = 0, probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *rest = NULL;

	if (probe == -1)
		give_up("no IPv4");
	for (char *line = strtok_r(lines, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		join(probe, line, number++);
	restore_eth0(probe);
	close(probe);
}

/* "gateway": ROUTER NAME-SERVER, the way out of the first interface. */
static void open_way_out(const char *text)
{
	char router[32], server[32], line[64];
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	struct sockaddr_in where = {.sin_family = AF_INET};
	int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (probe == -1)
		give_up("no IPv4");
	memcpy(&route.rt_dst, &where, sizeof where);
	memcpy(&route.rt_genmask, &where, sizeof where);
	if (sscanf(text, "%31s %31s", router, server) != 2 || inet_pton(AF_INET, router, &where.sin_addr) != 1)
		give_up("personality: bad gateway");
	memcpy(&route.rt_gateway, &where, sizeof where);
	if (ioctl(probe, SIOCADDRT, &route) == -1)
		give_up("cannot set the route");
	close(probe);
	snprintf(line, sizeof line, "nameserver %s\n", server);
	write_file("/etc/resolv.conf", line, 0644);
}

/* The one key opens every account: root's for whoever manages the machine, the others for people
 * who log in as what they are meant to be. */
static void authorise(const char *key, size_t length)
{
	static const char *const homes[] = {"/home/student", "/home/other"};
	char path[64];

	write_secret(AUTHORISED, key, length);
	for (size_t i = 0; i < LENGTH(homes); i++) {
		snprintf(path, sizeof path, "%s/.ssh", homes[i]);
		mkdir(path, 0755);
		snprintf(path, sizeof path, "%s/.ssh/authorized_keys", homes[i]);
		write_file(path, key, 0644);
	}
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
			authorise(value, length);
		else if (strcmp(name, "nonce") == 0)
			set_identity(value);
		else if (strcmp(name, "network") == 0)
			join_networks(value);
		else if (strcmp(name, "hosts") == 0)
			write_file("/etc/hosts", value, 0644);
		else if (strcmp(name, "gateway") == 0)
			open_way_out(value);
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
 * One SSH server per connection, as inetd(8) does it. -i talk on standard input and output, -s no
 * passwords, -j -k no forwarding. Not -E, which would log to the console: before 2024 dropbear
 * refuses both together.
 */
static void become_server(const char *preload)
{
	static char *const argv[] = {"/usr/sbin/dropbear", "-i", "-s", "-j", "-k", "-r", HOST_KEY, NULL};
	static char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL, NULL, NULL};

	if (preload != NULL) {
		environment[1] = (char *)preload;
		environment[2] = "LD_BIND_NOW=1";
	}
	setsid();
	signal(SIGCHLD, SIG_DFL);
	/* A program that eats all memory must not take the connection with it: proc(5). */
	write_file("/proc/self/oom_score_adj", "-1000", 0644);
	execve(argv[0], argv, environment);
	say("the SSH server cannot be started: %s", strerror(errno));
	_exit(127);
}

static void serve_ssh(int connection)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(connection, STDIN_FILENO) == -1 || dup2(connection, STDOUT_FILENO) == -1)
			_exit(127);
		become_server(NULL);
	}
	if (pid == -1)
		say("no process for an SSH connection: %s", strerror(errno));
}

/*
 * The server of the first connection, started before there is one: see preaccept.c. Gives the
 * pipe that ends when it has its connection, or has failed; it has said that it waits.
 */
static int serve_in_advance(int listener)
{
	int told[2];
	char here;

	if (pipe2(told, O_CLOEXEC) == -1)
		give_up("no pipe");
	pid_t pid = fork();
	if (pid == 0) {
		/* Moved out of the way first: either may be the number the other is to have. */
		int from = fcntl(listener, F_DUPFD, 10), to = fcntl(told[1], F_DUPFD, 10);
		if (dup2(from, 3) == -1 || dup2(to, 4) == -1)
			_exit(127);
		close(from);
		close(to);
		become_server("LD_PRELOAD=" PREACCEPT);
	}
	close(told[1]);
	if (pid == -1 || read(told[0], &here, 1) != 1)
		say("no SSH server could be started in advance");
	return told[0];
}

/* Wait until the server started in advance has its connection. */
static void wait_for_end(int pipe_end)
{
	char byte;

	while (read(pipe_end, &byte, 1) == -1 && errno == EINTR)
		;
	close(pipe_end);
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
	run_once((char *[]){full ? "/usr/sbin/sshd" : "/usr/sbin/dropbear", full ? "-t" : "-V", NULL});
	run_once((char *[]){"/usr/lib/isolab/run", "--", "/usr/lib/isolab/run", "--facts", NULL});
	run_once((char *[]){"/bin/sh", "-c", "true", NULL});
	run_once((char *[]){"/bin/tar", "-c", "-f", "/dev/null", "/etc/passwd", NULL});
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
	if (asked_for("isolab.warm")) {
		warm_up();
		sleep(SETTLING);
	}
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
		int first = serve_in_advance(listener);
		if (warm)
			sleep(SETTLING); /* what the kernel has put off would be done by every clone again */
		say("waiting for personality");
		dprintf(port, "ready\n");
		take_personality();
		dprintf(port, "sshd\n");
		say("listening for SSH");
		wait_for_end(first);
	}
	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (connection == -1)
			continue;
		serve_ssh(connection);
		close(connection);
	}
}
