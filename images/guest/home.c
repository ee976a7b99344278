/*
 * home.c - the student's home folder on a disk of its own, which outlives the machine.
 *
 * The disk is found by its serial number before the machine is frozen; a copy has another one in its place. No page
 * of the first stays in the kernel's cache, which drops them when nobody has a disk open; and where the
 * size is not what we are told it is, the disk is taken from its driver and given to it anew. It is mounted so
 * that what a program has written is on the disk within a second, whatever then happens to the machine;
 * docs/adr/0033 has the reasons and the price. A file system that cannot be mounted is checked and repaired
 * here, where it can harm nobody but its owner; never is a new one made.
 *
 * The superblock is read as "The Second Extended File System" and the kernel's ext4/super.rst describe it.
 */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SERIAL "isolab-home"
#define DRIVER "/sys/bus/virtio/drivers/virtio_blk"
#define MODULES "/lib/modules/home/load"
#define NOTE HOME "/HOME-DISK-NOT-MOUNTED.txt"
#define OPTIONS "commit=1,nodelalloc,errors=remount-ro,discard"

/* ext4_ioctl.h of the kernel; its headers for programs have it only since 6.0. */
#define GROW _IOW('f', 16, uint64_t)

enum {
	SUPERBLOCK = 1024, /* bytes, and where it is */
	BLOCKS_AT = 0x04,
	BLOCK_AT = 0x18, /* its size: 1024 bytes shifted by this */
	COUNT_AT = 0x34,
	MAGIC_AT = 0x38,
	STATE_AT = 0x3a,
	MAGIC = 0xef53,
	HAS_ERRORS = 2,
};

/* What a superblock tells; the size is in bytes. */
struct found {
	bool readable, errors, never_mounted;
	uint64_t size;
};

static char name[32]; /* of the home disk, in /dev */

static bool is_home(const char *disk)
{
	char path[300], serial[32] = "";

	snprintf(path, sizeof path, "/sys/block/%s/serial", disk);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool there = fgets(serial, sizeof serial, file) != NULL;
	fclose(file);
	return there && strncmp(serial, SERIAL, sizeof SERIAL - 1) == 0;
}

static bool find_disk(void)
{
	struct dirent *entry;
	bool found = false;
	DIR *disks = opendir("/sys/block");

	if (disks == NULL)
		return false;
	while (!found && (entry = readdir(disks)) != NULL) {
		found = entry->d_name[0] != '.' && is_home(entry->d_name);
		if (found)
			snprintf(name, sizeof name, "%s", entry->d_name);
	}
	closedir(disks);
	return found;
}

/* What every copy would do again: a micro machine loads what a disk needs only when it has one. */
void prepare_for_home(void)
{
	if (!full && access(MODULES, F_OK) == -1)
		return;
	if (!full)
		load_modules(MODULES, true);
	find_disk();
}

/* Take the disk from its driver and give it to it anew, who then asks it for its size. */
static bool bind_anew(void)
{
	char path[64], target[256] = "";

	snprintf(path, sizeof path, "/sys/block/%s/device", name);
	if (readlink(path, target, sizeof target - 1) == -1)
		return false;
	const char *device = strrchr(target, '/') == NULL ? target : strrchr(target, '/') + 1;
	write_file(DRIVER "/unbind", device, 0200);
	write_file(DRIVER "/bind", device, 0200);
	return find_disk();
}

static int open_disk(char *path, size_t size)
{
	snprintf(path, size, "/dev/%s", name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static uint64_t size_of(int disk)
{
	uint64_t bytes = 0;

	return ioctl(disk, BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
}

/* The disk of this machine, as large as it really is, with nothing of another in the cache; -1 when there is none. */
static int own_disk(char *path, size_t size, uint64_t bytes)
{
	int disk = name[0] != '\0' || find_disk() ? open_disk(path, size) : -1;

	if (disk != -1 && size_of(disk) != bytes) {
		close(disk);
		disk = bind_anew() ? open_disk(path, size) : -1;
	}
	if (disk != -1 && ioctl(disk, BLKFLSBUF, 0) == -1)
		say("cannot forget what was read of the home disk: %s", strerror(errno));
	return disk;
}

static unsigned number_at(const unsigned char *bytes, int where)
{
	return (unsigned)bytes[where] | (unsigned)bytes[where + 1] << 8;
}

static struct found look_at(int disk)
{
	unsigned char block[SUPERBLOCK];
	struct found about = {false, false, false, 0};

	about.readable = pread(disk, block, sizeof block, SUPERBLOCK) == (ssize_t)sizeof block &&
			 number_at(block, MAGIC_AT) == MAGIC;
	if (!about.readable)
		return about;
	about.errors = (number_at(block, STATE_AT) & HAS_ERRORS) != 0;
	about.never_mounted = number_at(block, COUNT_AT) == 0;
	about.size = (uint64_t)(number_at(block, BLOCKS_AT) | number_at(block, BLOCKS_AT + 2) << 16)
		     << ((block[BLOCK_AT] & 7) + 10);
	return about;
}

/* -y: nobody is there to be asked. Its way back is to try the mount again. */
static void repair(const char *disk)
{
	say("checking the home disk");
	run_once((char *[]){full ? "/sbin/e2fsck" : "/usr/sbin/e2fsck.static", "-f", "-y", (char *)disk, NULL});
}

static bool mounted(const char *disk)
{
	return mount(disk, HOME, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, OPTIONS) == 0;
}

/* The file system takes all of a disk that was made larger. */
static void grow(uint64_t bytes)
{
	struct statfs about;
	uint64_t blocks;
	int folder = open(HOME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder != -1 && fstatfs(folder, &about) == 0) {
		blocks = bytes / (uint64_t)about.f_bsize;
		if (ioctl(folder, GROW, &blocks) == -1)
			say("the home disk stays as large as it was: %s", strerror(errno));
	}
	if (folder != -1)
		close(folder);
}

/* What a repair found is the student's, and an empty folder for it is nobody's. */
static void tidy(void)
{
	struct stat about;

	if (rmdir(HOME "/lost+found") == -1 && errno != ENOENT)
		(void)!lchown(HOME "/lost+found", STUDENT, STUDENT);
	if (stat(HOME, &about) == -1)
		return;
	if (about.st_uid != STUDENT || about.st_gid != STUDENT)
		(void)!chown(HOME, STUDENT, STUDENT);
	/* An SSH server accepts no keys from a folder that others may change. */
	if ((about.st_mode & 022) != 0)
		chmod(HOME, about.st_mode & 0755);
}

static void copy_skeleton(void *unused)
{
	(void)unused;
	execl("/bin/cp", "cp", "-r", "-n", "-T", "/etc/skel", HOME, (char *)NULL);
	_exit(127);
}

/* What was written is on its way after half a second, with all it depends on after one. */
static void keep_up(void)
{
	write_file("/proc/sys/vm/dirty_expire_centisecs", "50", 0644);
	write_file("/proc/sys/vm/dirty_writeback_centisecs", "25", 0644);
}

/* The machine works, but what is done in this home is lost with it: everybody is told. */
static bool do_without(const char *why)
{
	char text[600];

	say("failed: the home disk is not mounted: %s", why);
	dprintf(port, "note its home disk is not mounted (%s): what is saved there now is lost with the machine; "
		      "the disk is kept as it is\n", why);
	snprintf(text, sizeof text,
		 "Your home disk could not be mounted: %s.\n"
		 "This folder is a temporary one: what you save here is lost when the machine is reset.\n"
		 "Your work is still on the disk, and a reset tries again to repair it.\n"
		 "If that does not help, tell whoever runs this class.\n", why);
	write_file(NOTE, text, 0644);
	return false;
}

/* Mount the home disk, of so many bytes; false, and people are told, when that is impossible. */
bool mount_home(const char *size)
{
	char path[48];
	uint64_t bytes = strtoull(size, NULL, 10);
	int disk = own_disk(path, sizeof path, bytes);

	if (disk == -1)
		return do_without("the disk was not found");
	struct found about = look_at(disk);
	close(disk);
	if (about.errors)
		repair(path);
	if (!mounted(path)) {
		repair(path);
		if (!mounted(path))
			return do_without(strerror(errno));
		dprintf(port, "note its home disk was damaged and has been repaired; files that lost their names are "
			      "in lost+found\n");
	}
	if (bytes > about.size)
		grow(bytes);
	tidy();
	keep_up();
	if (about.never_mounted && full)
		as_student(copy_skeleton, NULL);
	say("home disk mounted");
	return true;
}
