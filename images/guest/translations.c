/*
 * What an emulator remembers of code that is no longer there: emulated s390x only.
 *
 * QEMU translates a page of code once, and forgets the translation of what is written to. Before QEMU 8.2,
 * instructions of s390x that write many bytes at a time (MVC, XC, MVCOS: a kernel copies and clears with
 * them) count as writing their first byte only (accel/tcg/cputlb.c, probe_access_flags(): notdirty_write()
 * of one byte). A program in memory that held another one then runs pieces of the former, and crashes.
 *
 * A store of one word counts as what it is. So before a program is executed, each word of its file is
 * stored once more as it is: fanotify(7) tells of it and lets it wait, FAN_OPEN_EXEC_PERM. That is done by a
 * thread of process 1, which nobody in the machine can stop or end.
 */
#include "guest.h"

#ifdef __s390x__

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { REMEMBERED = 64 }; /* files that did not change since they were stored */

static const char *const in_memory[] = {"/", "/work", "/tmp", "/dev/shm"};

struct seen {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

static bool same(const struct seen *one, const struct stat *about)
{
	return one->inode == about->st_ino && one->device == about->st_dev && one->size == about->st_size &&
	       one->changed.tv_sec == about->st_ctim.tv_sec && one->changed.tv_nsec == about->st_ctim.tv_nsec;
}

/* Whether a file is as it was when it was stored. If not, it counts as stored from now on. */
static bool remembered(const struct stat *about)
{
	static struct seen files[REMEMBERED];
	static size_t next;

	for (size_t i = 0; i < REMEMBERED; i++)
		if (same(&files[i], about))
			return true;
	files[next] = (struct seen){about->st_dev, about->st_ino, about->st_size, about->st_ctim};
	next = (next + 1) % REMEMBERED;
	return false;
}

/* Store every word of a file in memory as it is. One that is executed already cannot be opened (ETXTBSY),
 * and need not be; of one with holes, which would cost memory, nothing is known to be executed. */
static void store_again(int event)
{
	struct statfs where;
	struct stat about;
	char path[32];

	if (fstat(event, &about) == -1 || !S_ISREG(about.st_mode) || about.st_size == 0 || remembered(&about))
		return;
	if (about.st_blocks * 512 < about.st_size || fstatfs(event, &where) == -1 ||
	    (where.f_type != TMPFS_MAGIC && where.f_type != RAMFS_MAGIC))
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", event);
	int file = open(path, O_RDWR | O_CLOEXEC);
	if (file == -1)
		return;
	size_t length = (size_t)about.st_size;
	volatile uint64_t *word = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (word == MAP_FAILED)
		return;
	/* The last page may be stored to its end: mmap(2). */
	for (size_t i = 0; i < (length + sizeof *word - 1) / sizeof *word; i++)
		word[i] = word[i];
	munmap((void *)word, length);
}

static void *answer(void *group)
{
	struct fanotify_event_metadata events[16];
	int notify = *(int *)group;

	for (;;) {
		ssize_t length = read(notify, events, sizeof events);
		if (length == -1 && errno != EINTR)
			return NULL; /* the group ends with us, and everything may be executed */
		for (struct fanotify_event_metadata *one = events; FAN_EVENT_OK(one, length);
		     one = FAN_EVENT_NEXT(one, length)) {
			if (one->fd < 0)
				continue;
			store_again(one->fd);
			struct fanotify_response response = {.fd = one->fd, .response = FAN_ALLOW};
			if (write(notify, &response, sizeof response) == -1)
				say("fanotify: %m");
			close(one->fd);
		}
	}
}

void watch_what_is_executed(void)
{
	static int notify;
	pthread_t thread;

	notify = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE, O_RDONLY | O_CLOEXEC);
	if (notify == -1)
		give_up("fanotify");
	for (size_t i = 0; i < LENGTH(in_memory); i++)
		if (fanotify_mark(notify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC_PERM, AT_FDCWD,
				  in_memory[i]) == -1)
			give_up(in_memory[i]);
	errno = pthread_create(&thread, NULL, answer, &notify);
	if (errno != 0)
		give_up("pthread_create");
}

#else

void watch_what_is_executed(void)
{
}

#endif
