/*
 * thaw IMAGE UID GID FROM:TO... -- WORDS... - becomes the process that was frozen into an image.
 *
 * IMAGE is the descriptor of the image, FROM:TO says which descriptor is to have which number, UID and GID are
 * whom to become (0: nobody else). The WORDS are for whoever looks at us with ps(1): the command line with which
 * the emulator would have been started.
 *
 * Linked statically and without a C library to an address where no such process has anything. It maps the
 * image's memory privately, moves the kernel's vDSO to where it was, makes eventfds and the signalfd again under
 * their old numbers, gives up root, and continues where standstill.c stopped the main thread; that installs the
 * emulator's seccomp filter and makes the other threads.
 *
 * Whatever is not as it was is an end with a word of why on standard error, the emulator's log: the controller
 * starts the machine in another way.
 */
#define WITH_CONTEXTS
#define WITH_START
#include "frozen.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <asm/stat.h>

#define TABLE_AT 0x20000000UL
#define ASIDE 0x30000000UL /* where the kernel's pages wait until their place is free */
#define OWN_END 0x40000000UL
enum { MOST_TABLE = 16 << 20, HIGH = 300, MOST_GIVEN = 32, PAGE = 4096, APART = 1 << 20 };
enum { PROT_ALL = 7, PROT_READ_ = 1 };

__attribute__((noreturn)) void begin(long *stack);

static char maps[1 << 16];

__attribute__((noreturn)) static void give_up(const char *what, long error)
{
	char number[] = " (error 000)\n";
	size_t length = 0;

	for (int at = 10, left = (int)-error; at > 7; at--, left /= 10)
		number[at] = (char)('0' + left % 10);
	while (what[length] != '\0')
		length++;
	(void)sys3(__NR_write, 2, "thaw: ", 6);
	(void)sys3(__NR_write, 2, what, length);
	(void)sys3(__NR_write, 2, number, sizeof number - 1);
	(void)sys1(__NR_exit_group, 119);
	__builtin_unreachable();
}

static long must(long result, const char *what)
{
	if (failed(result))
		give_up(what, result);
	return result;
}

static void require(int holds, const char *what)
{
	if (!holds)
		give_up(what, 0);
}

static unsigned long number(const char **text, unsigned base)
{
	unsigned long value = 0;

	for (;; ++*text) {
		char c = **text;
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
				 c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : base;
		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

static int same(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (a[i] != b[i])
			return 0;
	return 1;
}

/* ---- where the kernel has put what we need: /proc/self/maps, proc(5) ---- */

static void read_maps(void)
{
	long got, fd = must(sys4(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), "/proc/self/maps");
	size_t used = 0;

	while ((got = must(sys3(__NR_read, fd, maps + used, sizeof maps - 1 - used), "/proc/self/maps")) > 0)
		used += (size_t)got;
	maps[used] = '\0';
	(void)sys1(__NR_close, fd);
}

/* Address and length of the mapping with this name; length 0 when there is none. */
static void find(const char *name, uint64_t where[2])
{
	const char *line = maps;
	size_t length = 0;

	while (name[length] != '\0')
		length++;
	where[0] = where[1] = 0;
	while (*line != '\0') {
		const char *end = line, *at = line;
		while (*end != '\n' && *end != '\0')
			end++;
		if ((size_t)(end - line) > length && same(end - length, name, length)) {
			where[0] = number(&at, 16);
			at++;
			where[1] = number(&at, 16) - where[0];
			return;
		}
		line = *end == '\0' ? end : end + 1;
	}
}

/* ---- descriptors ---- */

/* Put a descriptor under a number; what had it is closed: dup2(2). */
static void place(long from, long to)
{
	if (from == to)
		return;
	must(sys3(__NR_dup3, from, to, O_CLOEXEC), "cannot place a descriptor");
	(void)sys1(__NR_close, from);
}

/* "FROM:TO": all are moved out of the way first, for one's number may be where another is to be. */
static void move_descriptors(char **words, int count)
{
	long aside[MOST_GIVEN];

	require(count <= MOST_GIVEN, "too many descriptors");
	for (int step = 0; step < 2; step++)
		for (int i = 0; i < count; i++) {
			const char *at = words[i];
			long from = (long)number(&at, 10);
			require(*at == ':', "not FROM:TO");
			at++;
			long to = (long)number(&at, 10);
			require(to < HIGH, "a descriptor's number is too high");
			if (step == 0) {
				aside[i] = must(sys3(__NR_fcntl, from, F_DUPFD_CLOEXEC, HIGH), "a descriptor");
				(void)sys1(__NR_close, from);
			} else {
				place(aside[i], to);
			}
		}
}

static void make_events(const struct image *image, const char *table)
{
	const struct event *events = (const struct event *)(table + image->events);

	for (uint64_t i = 0; i < image->counters; i++) {
		long made = must(sys2(__NR_eventfd2, events[i].count, events[i].flags), "eventfd");
		place(made, events[i].number);
	}
	if (image->signal_fd >= 0) {
		long made = sys4(__NR_signalfd4, -1, &image->signals, sizeof image->signals, O_CLOEXEC | O_NONBLOCK);
		place(must(made, "signalfd"), image->signal_fd);
	}
}

/* ---- memory ---- */

static void check_table(const struct image *image, uint64_t size)
{
	uint64_t table = image->table;

	require(image->magic == MAGIC && image->version == VERSION, "not an image, or of another version");
	require(table >= sizeof *image && table <= MOST_TABLE && table % PAGE == 0 && table <= size, "the image is damaged");
	require(image->parts <= (table - sizeof *image) / sizeof(struct part), "the image is damaged: parts");
	require(image->names < table && ((const char *)image)[table - 1] == '\0', "the image is damaged: names");
	require(image->events <= table && image->counters <= (table - image->events) / sizeof(struct event),
		"the image is damaged: events");
	require(image->vdso[1] <= 16 * PAGE && image->vdso_bytes <= table - image->vdso[1], "the image is damaged: vDSO");
	const struct part *parts = (const struct part *)(image + 1);
	for (uint64_t i = 0; i < image->parts; i++)
		require(parts[i].address >= OWN_END && parts[i].address + parts[i].length > parts[i].address &&
				parts[i].name < table - image->names && parts[i].protection <= PROT_ALL &&
				(parts[i].kind != FROM_IMAGE ||
				 (parts[i].offset <= size && parts[i].length <= size - parts[i].offset)),
			"the image is damaged: memory");
}

/* Our arguments are where the kernel has put the stack, another place each time (execve(2) chooses it at random),
 * and must stay there for ps(1). Where the image has something: try another place. */
static void avoid(const struct image *image, char **words, char **environment)
{
	const struct part *parts = (const struct part *)(image + 1);
	uint64_t stack[2];

	find("[stack]", stack);
	require(stack[1] != 0, "no stack");
	for (uint64_t i = 0; i < image->parts; i++)
		if (parts[i].address < stack[0] + stack[1] && stack[0] < parts[i].address + parts[i].length) {
			must(sys3(__NR_execve, "/proc/self/exe", words, environment), "cannot start again");
			__builtin_unreachable();
		}
}

static void move(const uint64_t from[2], unsigned long to)
{
	if (from[1] != 0 && from[0] != to)
		must(sys6(__NR_mremap, (long)from[0], (long)from[1], (long)from[1], MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0),
		     "cannot move the vDSO");
}

/* The kernel's pages that each process has, to where the frozen one had them: the C library remembers what it
 * found there (vdso(7)). In two steps, for they may lie where something else is to come. */
static void move_kernel_pages(const struct image *image, int step)
{
	static uint64_t here[3][2];
	static const char *const names[] = {"[vdso]", "[vvar]", "[vvar_vclock]"};
	const uint64_t *there[] = {image->vdso, image->vvar, image->vclock};

	for (int i = 0; i < 3; i++) {
		unsigned long aside = ASIDE + (unsigned long)i * APART;
		if (step == 0) {
			find(names[i], here[i]);
			require(here[i][1] == there[i][1], "the kernel is another one (vDSO)");
			if (i == 0)
				require(same((const char *)here[0][0], (const char *)image + image->vdso_bytes, here[0][1]),
					"the kernel is another one (code of its vDSO)");
			move(here[i], aside);
		} else if (here[i][1] != 0) {
			here[i][0] = aside;
			move(here[i], there[i][0]);
		}
	}
}

static void map(const struct part *part, const char *names, long image_fd)
{
	long how = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, from = image_fd;
	struct stat about;

	if (part->kind == NOTHING) {
		how |= MAP_ANONYMOUS;
		from = -1;
	} else if (part->kind == FROM_FILE) {
		const char *name = names + part->name;
		from = must(sys4(__NR_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0), "cannot open a file it has mapped");
		must(sys2(__NR_fstat, from, &about), "fstat");
		require(about.st_dev == part->device && about.st_ino == part->inode && (uint64_t)about.st_size == part->size &&
				(uint64_t)about.st_mtime * 1000000000UL + about.st_mtime_nsec == part->changed_ns,
			"a file it has mapped is another one now");
	}
	must(sys6(__NR_mmap, (long)part->address, (long)part->length, part->protection, how, from, (long)part->offset),
	     "cannot map memory");
	if (part->kind == FROM_FILE)
		(void)sys1(__NR_close, from);
}

/* ---- and the rest ---- */

static void give_up_root(long user, long group)
{
	if (user == 0)
		return;
	must(sys2(__NR_setgroups, 0, 0), "setgroups");
	must(sys3(__NR_setresgid, group, group, group), "setresgid");
	must(sys3(__NR_setresuid, user, user, user), "setresuid");
}

/* As the kernel names a process after its program: the last part of the first word. */
static void take_name(const char *program)
{
	const char *base = program;

	for (const char *at = program; *at != '\0'; at++)
		if (*at == '/')
			base = at + 1;
	(void)sys6(__NR_prctl, PR_SET_NAME, (long)base, 0, 0, 0, 0); /* cut after 15 bytes */
}

void begin(long *stack)
{
	long count = stack[0];
	char **words = (char **)(stack + 1), **environment = words + count + 1;
	int end = 4;
	struct stat about;

	require(count >= 6, "usage: thaw IMAGE UID GID FROM:TO... -- WORDS...");
	const char *image_word = words[1], *user_word = words[2], *group_word = words[3];
	long fd = (long)number(&image_word, 10), user = (long)number(&user_word, 10), group = (long)number(&group_word, 10);
	while (end < count - 1 && !(words[end][0] == '-' && words[end][1] == '-' && words[end][2] == '\0'))
		end++;
	must(sys2(__NR_fstat, fd, &about), "the image");
	require(about.st_size >= PAGE, "the image is damaged: too short");
	long room = about.st_size < MOST_TABLE ? about.st_size : MOST_TABLE;
	const struct image *image = (const struct image *)must(
		sys6(__NR_mmap, TABLE_AT, room, PROT_READ_, MAP_PRIVATE | MAP_FIXED, fd, 0), "cannot map the image");
	check_table(image, (uint64_t)about.st_size);
	read_maps();
	avoid(image, words, environment);
	long image_fd = must(sys3(__NR_fcntl, fd, F_DUPFD_CLOEXEC, 2 * HIGH), "the image's descriptor");
	(void)sys1(__NR_close, fd);
	move_descriptors(words + 4, end - 4);
	make_events(image, (const char *)image);

	const struct part *parts = (const struct part *)(image + 1);
	move_kernel_pages(image, 0);
	for (uint64_t i = 0; i < image->parts; i++)
		map(&parts[i], (const char *)image + image->names, image_fd);
	move_kernel_pages(image, 1);
	(void)sys1(__NR_close, image_fd);
	take_name(words[end + 1]);
	const struct context *context = (const struct context *)image->context;
	must(sys2(__NR_munmap, TABLE_AT, room), "munmap");
	give_up_root(user, group);
	must(sys6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0), "no_new_privs"); /* as libseccomp does it */
	enter(context);
}
