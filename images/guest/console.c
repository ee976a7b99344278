/*
 * console.c - what init says: to people on the console, to the controller at the port; and what
 * the kernel's command line says to init.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

/* One line on the console, with the time since boot: what a person sees while waiting. */
void say(const char *format, ...)
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
void give_up(const char *what)
{
	say("failed: %s: %s", what, strerror(errno));
	if (port != -1)
		dprintf(port, "failed %s: %s\n", what, strerror(errno));
	sync();
	sleep(1); /* let the console drain */
	reboot(RB_POWER_OFF);
	_exit(1);
}

void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	size_t length = strlen(text);

	if (fd == -1 || write(fd, text, length) != (ssize_t)length)
		say("cannot write %s: %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
}

/* The value of a word "NAME=VALUE" of the kernel's command line; name includes the "=". */
bool told_by_kernel(const char *name, char *value, size_t size)
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

bool asked_for(const char *word)
{
	char value[8];

	return told_by_kernel(word, value, sizeof value);
}
