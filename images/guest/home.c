/*
 * home.c - the student's home folder on a disk of its own, which outlives the machine.
 *
 * The disk is found by its serial number and bound to its driver only when the machine knows who it is: a
 * copy of a frozen machine must not remember what was on the disk of its model, nor how large that was.
 * It is mounted so that what a program has written is on the disk within a second, whatever then happens
 * to the machine; docs/adr/0033 has the reasons and the price. A file system that cannot be mounted is
 * checked and repaired here, where it can harm nobody but its owner; never is a new one made.
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
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SERIAL "isolab-home"
#define DEVICES "/sys/bus/virtio/devices"
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

/* A micro machine loads what a disk needs only when it has one. */
void prepare_for_home(void)
{
	if (access(MODULES, F_OK) == -1)
		return;
	write_file("/sys/bus/virtio/drivers_autoprobe", "0", 0644);
	load_modules(MODULES, true);
}

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool there = file != NULL && fgets(text, (int)size, file) != NULL;

	if (file != NULL)
		fclose(file);
	text[there ? strcspn(text, "\n") : 0] = '\0';
	return there;
}

static bool is_disk(const char *device)
{
	char path[300], kind[16];

	snprintf(path, sizeof path, DEVICES "/%s/device", device);
	return read_line(path, kind, sizeof kind) && strcmp(kind, "0x0002") == 0;
}

/* The name in /dev of a disk that has its driver. */
static bool name_of(const char *device, char *name, size_t size)
{
	char path[300];
	struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof path, DEVICES "/%s/block", device);
	DIR *disks = opendir(path);
	if (disks == NULL)
		return false;
	while (!found && (entry = readdir(disks)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, size, "%s", entry->d_name);
		found = true;
	}
	closedir(disks);
	return found;
}

static bool is_home(const char *name)
{
	char path[80], serial[32];

	snprintf(path, sizeof path, "/sys/block/%s/serial", name);
	return read_line(path, serial, sizeof serial) && strcmp(serial, SERIAL) == 0;
}

/* Give this disk to its driver anew, who then asks it for its size. */
static bool bound_anew(const char *device, char *name, size_t size)
{
	if (name_of(device, name, size)) {
		if (!is_home(name))
			return false; /* the system's own */
		write_file(DRIVER "/unbind", device, 0200);
	}
	write_file(DRIVER "/bind", device, 0200);
	return name_of(device, name, size) && is_home(name);
}

static bool find_disk(char *name, size_t size)
{
	struct dirent *entry;
	bool found = false;
	DIR *devices = opendir(DEVICES);

	if (devices == NULL)
		return false;
	while (!found && (entry = readdir(devices)) != NULL)
		found = is_disk(entry->d_name) && bound_anew(entry->d_name, name, size);
	closedir(devices);
	return found;
}

static unsigned number_at(const unsigned char *bytes, int where)
{
	return (unsigned)bytes[where] | (unsigned)bytes[where + 1] << 8;
}

static struct found look_at(const char *disk)
{
	unsigned char block[SUPERBLOCK];
	struct found about = {false, false, false, 0};
	int fd = open(disk, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return about;
	about.readable = pread(fd, block, sizeof block, SUPERBLOCK) == (ssize_t)sizeof block &&
			 number_at(block, MAGIC_AT) == MAGIC;
	close(fd);
	about.errors = about.readable && (number_at(block, STATE_AT) & HAS_ERRORS) != 0;
	about.never_mounted = about.readable && number_at(block, COUNT_AT) == 0;
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
static void grow(const char *disk, uint64_t size)
{
	uint64_t bytes = 0, blocks;
	struct statfs about;
	int device = open(disk, O_RDONLY | O_CLOEXEC), folder = open(HOME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (device != -1 && folder != -1 && ioctl(device, BLKGETSIZE64, &bytes) == 0 && bytes > size &&
	    fstatfs(folder, &about) == 0) {
		blocks = bytes / (uint64_t)about.f_bsize;
		if (ioctl(folder, GROW, &blocks) == -1)
			say("the home disk stays as large as it was: %s", strerror(errno));
	}
	if (device != -1)
		close(device);
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

/* Mount the home disk; false, and people are told, when that is impossible. */
bool mount_home(void)
{
	char name[32], disk[48];

	if (!find_disk(name, sizeof name))
		return do_without("the disk was not found");
	snprintf(disk, sizeof disk, "/dev/%s", name);
	struct found about = look_at(disk);
	if (about.errors)
		repair(disk);
	if (!mounted(disk)) {
		repair(disk);
		if (!mounted(disk))
			return do_without(strerror(errno));
		dprintf(port, "note its home disk was damaged and has been repaired; files that lost their names are "
			      "in lost+found\n");
	}
	grow(disk, about.size);
	tidy();
	keep_up();
	if (about.never_mounted && full)
		as_student(copy_skeleton, NULL);
	say("home disk mounted");
	return true;
}
