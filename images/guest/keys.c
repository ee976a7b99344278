/*
 * keys.c - who may log in as student: the keys we were told of, and the lines the student added herself.
 *
 * OpenSSH reads ours from a file of root's. dropbear knows one place only, in the home folder, which belongs to
 * somebody we do not trust: there it is the student's own process that writes, between two marks.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER HOME "/.ssh"
#define FILE_THERE FOLDER "/authorized_keys"
#define NEW FOLDER "/.authorized_keys.new"
#define MANAGED_FOLDER "/etc/ssh/authorized_keys.d"
#define MANAGED MANAGED_FOLDER "/student"
#define BEGIN "# isolab: begin (these lines are replaced)\n"
#define END "# isolab: end\n"

enum { MOST = 1024 * 1024 }; /* bytes read of a file with keys */

/* Text that grows. */
struct text {
	char *bytes;
	size_t length;
};

static struct text wanted;

static void append(struct text *text, const char *bytes, size_t length)
{
	char *larger = realloc(text->bytes, text->length + length + 1);

	if (larger == NULL && port != -1)
		give_up("no memory for keys");
	if (larger == NULL)
		_exit(1);
	memcpy(larger + text->length, bytes, length);
	text->bytes = larger;
	text->length += length;
	larger[text->length] = '\0';
}

static struct text read_all(int fd)
{
	struct text text = {NULL, 0};
	char block[4096];
	ssize_t got = 0;

	append(&text, "", 0);
	while (fd != -1 && text.length < MOST && (got = read(fd, block, sizeof block)) > 0)
		append(&text, block, (size_t)got);
	return text;
}

/* More lines of authorized_keys for the student. */
void add_student_keys(const char *lines, size_t length)
{
	append(&wanted, lines, length);
}

/* Run something as the student, and wait for its end; false, when that was bad. Process 1 does not learn it. */
bool as_student(void (*work)(void *), void *about)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) == -1 || setgid(STUDENT) == -1 || setuid(STUDENT) == -1)
			_exit(127);
		umask(077);
		work(about);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return pid > 0 && status == 0;
}

/* What is in the way is moved out of it: only its owner knows whether it is worth anything. */
static void require(const char *path, mode_t kind)
{
	char aside[64];
	struct stat about;

	if (lstat(path, &about) == -1)
		return;
	if ((about.st_mode & S_IFMT) == kind && about.st_uid == STUDENT) {
		chmod(path, kind == S_IFDIR ? 0700 : 0600);
		return;
	}
	snprintf(aside, sizeof aside, "%s.old", path);
	for (int number = 2; rename(path, aside) == -1 && number < 100; number++)
		snprintf(aside, sizeof aside, "%s.old-%d", path, number);
}

/* The student's own lines: all but those between our marks. */
static struct text own_lines(const char *text)
{
	struct text own = {NULL, 0};
	bool ours = false;

	append(&own, "", 0);
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		length += text[length] == '\n';
		if (strncmp(text, BEGIN, sizeof BEGIN - 1) == 0)
			ours = true;
		if (!ours)
			append(&own, text, length);
		if (strncmp(text, END, sizeof END - 1) == 0)
			ours = false;
		text += length;
	}
	if (own.length > 0 && own.bytes[own.length - 1] != '\n')
		append(&own, "\n", 1);
	return own;
}

static bool written(const char *path, int flags, const struct text *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	bool whole = fd != -1 && write(fd, text->bytes, text->length) == (ssize_t)text->length &&
		     ftruncate(fd, (off_t)text->length) == 0;

	if (fd != -1 && close(fd) == -1)
		whole = false;
	return whole;
}

/* In the student's own process. */
static void write_in_home(void *unused)
{
	struct text all = {NULL, 0};

	(void)unused;
	require(FOLDER, S_IFDIR);
	mkdir(FOLDER, 0700);
	require(FILE_THERE, S_IFREG);
	int fd = open(FILE_THERE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct text before = read_all(fd), own = own_lines(before.bytes);
	append(&all, BEGIN, sizeof BEGIN - 1);
	append(&all, wanted.bytes, wanted.length);
	append(&all, END, sizeof END - 1);
	append(&all, own.bytes, own.length);
	if (written(NEW, O_TRUNC, &all) && rename(NEW, FILE_THERE) == 0)
		_exit(0);
	/* On a full disk there may still be room where the old ones are. */
	unlink(NEW);
	if (written(FILE_THERE, 0, &all))
		_exit(0);
	say("cannot write %s: %s", FILE_THERE, strerror(errno));
	_exit(1);
}

/* Root made them, in a home without a disk: they become the student's. One with a second name may be anything. */
static void hand_over(void)
{
	struct stat about;
	int folder = open(FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int file = folder == -1 ? -1 : openat(folder, "authorized_keys", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (folder == -1)
		return;
	(void)!fchown(folder, STUDENT, STUDENT);
	close(folder);
	if (file == -1)
		return;
	if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1)
		(void)!fchown(file, STUDENT, STUDENT);
	close(file);
}

static bool write_managed(void)
{
	mkdir(MANAGED_FOLDER, 0755);
	write_file(MANAGED ".new", wanted.bytes, 0644);
	if (rename(MANAGED ".new", MANAGED) == 0)
		return true;
	say("cannot write " MANAGED ": %s", strerror(errno));
	return false;
}

/* The student may log in with the keys we were told of, and with her own. */
bool authorise_student(void)
{
	append(&wanted, "", 0);
	if (full)
		return write_managed();
	hand_over();
	return as_student(write_in_home, NULL);
}

/* On a running machine: other keys come on standard input, and the machine's own stays. */
int replace_student_keys(void)
{
	int fd = open(AUTHORISED, O_RDONLY | O_CLOEXEC);
	struct text own = read_all(fd), others = read_all(STDIN_FILENO);

	full = access(HOST_KEY, F_OK) == -1; /* another server's */
	umask(022);
	add_student_keys(own.bytes, own.length);
	add_student_keys(others.bytes, others.length);
	return authorise_student() ? 0 : 1;
}
