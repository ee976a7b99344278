/*
 * port.c - the lines to the controller: a virtio-serial port named "isolab", or the device the
 * kernel was told of ("isolab.port=ttyS1") where there is no virtio; and "isolab.ssh", which some
 * machines have for their first SSH connection.
 */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 200, LOOKS = 10 };

int port = -1;

static bool is_named(const char *device, const char *wanted)
{
	char path[300], name[32] = "";

	snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", device);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool there = fgets(name, sizeof name, file) != NULL;
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return there && strcmp(name, wanted) == 0;
}

/* The virtio-serial port of this name, open; -1 when there is none (yet). */
int find_port(const char *name)
{
	char path[300];
	int fd = -1;
	struct dirent *entry;
	DIR *ports = opendir("/sys/class/virtio-ports");

	if (ports == NULL)
		return -1;
	while (fd == -1 && (entry = readdir(ports)) != NULL) {
		if (!is_named(entry->d_name, name))
			continue;
		snprintf(path, sizeof path, "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(ports);
	return fd;
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
void open_port(void)
{
	struct timespec pause = {0, 2000000};
	char device[64];

	if (told_by_kernel("isolab.port=", device, sizeof device)) {
		port = open_serial_line(device);
		return;
	}
	for (int tries = 0; tries < 15000; tries++) {
		port = find_port("isolab");
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
 *
 * Each try is due earlier than the one before, and nobody sleeps meanwhile: on MIPS the kernel asks for
 * an interrupt in 5 us, and an emulator that has yet to translate the code that asks may be late ten
 * times in a row, after which the kernel waits for what will not come until the counter has gone round
 * (26 s). Once the code is translated it is fast enough.
 */
static void revive_timers(void)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	unsigned long long expirations;

	for (long due = TRIES; timer != -1 && due > 0; due--) {
		struct itimerspec when = {.it_value = {.tv_sec = 0, .tv_nsec = due}};
		if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == -1)
			break;
		for (int look = 0; look < LOOKS; look++)
			if (read(timer, &expirations, sizeof expirations) == (ssize_t)sizeof expirations)
				due = 0;
	}
	if (timer != -1)
		close(timer);
}

/* Reading from a port nobody has connected to gives 0 bytes: virtio_console. Wait for them. */
void read_exactly(void *buffer, size_t length)
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
			give_up("cannot read the identity");
		if (got <= 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		at += got;
		length -= (size_t)got;
	}
}

void read_header(char *name, size_t size, size_t *length)
{
	char line[64];
	size_t used = 0;

	do {
		if (used == sizeof line - 1) {
			errno = EPROTO;
			give_up("identity: header too long");
		}
		read_exactly(line + used, 1);
	} while (line[used++] != '\n');
	line[used] = '\0';
	if (size < 32 || sscanf(line, "%31s %zu", name, length) != 2 || *length > MAX_VALUE) {
		errno = EPROTO;
		give_up("identity: bad header");
	}
}
