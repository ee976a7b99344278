/*
 * identity.c - what makes this machine another than its siblings: keys, name, time, entropy.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPENSSH_HOST_KEY "/etc/ssh/ssh_host_ed25519_key"
#define NONCE "/run/isolab-nonce"

enum { MAX_ENTROPY = 256 };

static bool own_home, own_keys; /* the student's home is on a disk; there are keys for student */

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

/* Make the files and folders that an identity fills, so that a copy of this machine need not. */
void make_room(void)
{
	static const char *const folders[] = {"/home/student/.ssh", "/home/other/.ssh"};
	static const char *const files[] = {"/home/student/.ssh/authorized_keys",
					    "/home/other/.ssh/authorized_keys", NONCE};

	for (size_t i = 0; i < LENGTH(folders); i++)
		mkdir(folders[i], 0755);
	for (size_t i = 0; i < LENGTH(files); i++)
		write_file(files[i], "", 0644);
	write_secret(AUTHORISED, "", 0);
	if (!full)
		write_secret(HOST_KEY, "", 0);
}

/* The one key opens every account: root's for whoever manages the machine, the others for people
 * who log in as what they are meant to be. A home that somebody has lived in is for keys.c. */
static void authorise(const char *key, size_t length)
{
	static const char *const homes[] = {"/home/other", "/home/student"};
	char path[64];

	write_secret(AUTHORISED, key, length);
	add_student_keys(key, length);
	for (size_t i = 0; i < (own_home ? 1 : LENGTH(homes)); i++) {
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
	write_file(NONCE, nonce, 0644);
	if (full)
		write_file("/etc/machine-id", nonce, 0444);
}

static void take_student_keys(const char *lines, size_t length)
{
	own_keys = true;
	add_student_keys(lines, length);
}

/* With systemd the limit comes from PAM, as a user's limits do: limits.conf(5). Debian's pam_limits forgets those that a
 * service has. */
static void take_limit(const char *number)
{
	char line[64];

	if (!full) {
		limit_processes(strtoul(number, NULL, 10));
		return;
	}
	snprintf(line, sizeof line, "student - nproc %s\n", number);
	write_file("/etc/security/limits.d/isolab.conf", line, 0644);
}

void take_identity(void)
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
		else if (strcmp(name, "home") == 0)
			own_home = mount_home(value);
		else if (strcmp(name, "authorised-key") == 0)
			authorise(value, length);
		else if (strcmp(name, "student-keys") == 0)
			take_student_keys(value, length);
		else if (strcmp(name, "processes") == 0)
			take_limit(value);
		else if (strcmp(name, "nonce") == 0)
			set_identity(value);
		else if (strcmp(name, "network") == 0)
			join_networks(value);
		else if (strcmp(name, "hosts") == 0)
			write_file("/etc/hosts", value, 0644);
		else if (strcmp(name, "gateway") == 0)
			open_way_out(value);
	}
	if (own_home || own_keys)
		authorise_student();
	explicit_bzero(value, sizeof value);
}
