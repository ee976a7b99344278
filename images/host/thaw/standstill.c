/*
 * standstill - loaded into an unmodified emulator (LD_PRELOAD): makes all of its threads stand still where their
 * memory can be written to a file, and makes them again in the process that maps this file.
 *
 * On a signal (STOP, below) the main thread sends the same signal to each other thread. Each notes in its handler
 * what the kernel knows of it and memory does not (thread pointer, list of robust locks, registers that a
 * function preserves) and waits. All else is in memory already, the registers of the interrupted code in the
 * signal's own frame among it: sigreturn(2) reads them from there, in whatever process. Then the main thread tells
 * the controller and stops the process (SIGSTOP).
 *
 * In a thawed process thaw.c enters the main thread's context. Threads are made by clone(2) as pthread_create(3)
 * does it, on their old stacks with their old thread pointers, and continue in their handlers, from which they
 * return: an interrupted futex(2) is begun again by the kernel, a poll(2) says EINTR, which emulators expect.
 *
 * The emulator's own seccomp filters are noted when they are installed, and installed again before there is a
 * second thread.
 *
 * Nothing here uses the C library but for addresses that it exports, and __errno_location().
 * Linux >= 4.11, glibc >= 2.35.
 */
#define WITH_CONTEXTS
#include "frozen.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#define CONTROL "STANDSTILL_PIPE" /* the number of a pipe, in which the controller is told */
#define SIG_BLOCK_ 0
#define SIG_SETMASK_ 2
#define SIGSTOP_ 19
#define SA_RESTORER_ 0x04000000UL
#define SA_RESTART_ 0x10000000UL

/* The signal: glibc's SIGCANCEL, which no thread ever blocks (nptl(7): pthread_sigmask(3) leaves it out) and which
 * only pthread_cancel(3) uses. Emulators do not cancel threads. */
enum { STOP = 32 };
enum { MOST_THREADS = 64, MOST_FILTERS = 4, MOST_INSTRUCTIONS = 4096, SIGNALS = 64 };
enum { TCB_BYTES = 2048, RSEQ_BYTES = 32 }; /* where to look in struct pthread; the length that rseq(2) began with */

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

struct thread {
	struct context context;
	unsigned long thread_pointer;
	void *robust_list;
	size_t robust_size;
	int stands;
};

struct filter {
	unsigned long flags;
	unsigned short length;
	struct sock_filter code[MOST_INSTRUCTIONS];
};

int *__errno_location(void);
extern char **environ;
/* glibc's area for rseq(2), relative to the thread pointer: since 2.35. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static int control = -1;
static size_t tid_offset; /* of the kernel's thread id in glibc's struct pthread */
static struct thread threads[MOST_THREADS];
static int standing, generation, stopping, too_many;
static struct filter filters[MOST_FILTERS];
static unsigned filter_count;
static int filter_lost;

/* ---- ends that nobody can miss ---- */

static size_t length_of(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0')
		length++;
	return length;
}

/* What QEMU writes to its log is what the controller quotes. */
__attribute__((noreturn)) static void give_up(const char *what, long error)
{
	char number[] = " (error 000)\n";

	for (int at = 10, left = (int)-error; at > 7; at--, left /= 10)
		number[at] = (char)('0' + left % 10);
	(void)sys3(__NR_write, 2, what, length_of(what));
	(void)sys3(__NR_write, 2, number, sizeof number - 1);
	(void)sys1(__NR_exit_group, 120);
	__builtin_unreachable();
}

static void must(long result, const char *what)
{
	if (failed(result))
		give_up(what, result);
}

/* ---- filters ---- */

static void note_filter(unsigned long flags, const struct sock_fprog *program)
{
	if (filter_count == MOST_FILTERS || program->len > MOST_INSTRUCTIONS) {
		filter_lost = 1;
		return;
	}
	struct filter *filter = &filters[filter_count++];
	filter->flags = flags;
	filter->length = program->len;
	for (unsigned i = 0; i < program->len; i++)
		filter->code[i] = program->filter[i];
}

/* libseccomp installs its filters by this function: syscall(SYS_seccomp, ...). */
__attribute__((visibility("default"))) long syscall(long number, long a, long b, long c, long d, long e, long f);
long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	long result = sys6(number, a, b, c, d, e, f);

	if (failed(result)) {
		*__errno_location() = (int)-result;
		return -1;
	}
	if (number == __NR_seccomp && a == SECCOMP_SET_MODE_FILTER)
		note_filter((unsigned long)b, (const struct sock_fprog *)c);
	else if (number == __NR_seccomp && a == SECCOMP_SET_MODE_STRICT)
		filter_lost = 1;
	return result;
}

static void install_filters(void)
{
	for (unsigned i = 0; i < filter_count; i++) {
		struct sock_fprog program = {filters[i].length, filters[i].code};
		must(sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, filters[i].flags, &program),
		     "thaw: cannot install QEMU's seccomp filter");
	}
}

/* ---- threads ---- */

/* What a thread of glibc's has told the kernel, told again: set_robust_list(2), rseq(2). */
static void tell_kernel(unsigned long thread_pointer, const void *robust_list, size_t robust_size)
{
	must(sys2(__NR_set_robust_list, robust_list, robust_size), "thaw: set_robust_list");
	if (&__rseq_size != NULL && __rseq_size != 0)
		must(sys4(__NR_rseq, thread_pointer + (unsigned long)__rseq_offset, RSEQ_BYTES, 0, RSEQ_SIGNATURE),
		     "thaw: rseq");
}

static void ask_kernel(unsigned long *thread_pointer, void **robust_list, size_t *robust_size)
{
	must(read_thread_pointer(thread_pointer), "standstill: thread pointer");
	must(sys3(__NR_get_robust_list, 0, robust_list, robust_size), "standstill: get_robust_list");
}

static void wait_while(int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value)
		(void)sys4(__NR_futex, word, FUTEX_WAIT, value, 0); /* EAGAIN and EINTR look again */
}

static void stand_still(void)
{
	int number = __atomic_fetch_add(&standing, 1, __ATOMIC_SEQ_CST);
	int now = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);

	if (number >= MOST_THREADS) {
		__atomic_store_n(&too_many, 1, __ATOMIC_SEQ_CST);
		wait_while(&generation, now);
		return;
	}
	struct thread *me = &threads[number];
	ask_kernel(&me->thread_pointer, &me->robust_list, &me->robust_size);
	if (save_context(&me->context) == 0) {
		__atomic_store_n(&me->stands, 1, __ATOMIC_SEQ_CST);
		(void)sys3(__NR_futex, &me->stands, FUTEX_WAKE, 1);
		wait_while(&generation, now);
		return;
	}
	/* Here a thawed process's thread continues. */
	tell_kernel(me->thread_pointer, me->robust_list, me->robust_size);
}

/* Send the signal to every other thread, and wait until they stand still. Gives their number, -1 when it cannot
 * be done. A thread that is being made meanwhile would be missed: so this looks until there is none left. */
static int stop_threads(void)
{
	static int seen[MOST_THREADS];
	char names[4096];
	int me = (int)sys0(__NR_gettid), pid = (int)sys0(__NR_getpid), count = 0, found;

	for (size_t i = 0; i < MOST_THREADS; i++)
		threads[i].stands = 0;
	standing = 0;
	do {
		long got, folder = sys4(__NR_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

		found = 0;
		if (failed(folder))
			return -1;
		while ((got = sys3(__NR_getdents64, folder, names, sizeof names)) > 0)
			/* struct linux_dirent64, getdents(2): length at 16, name at 19 */
			for (long at = 0; at < got; at += *(unsigned short *)(names + at + 16)) {
				int tid = 0, known = 0;
				for (const char *digit = names + at + 19; *digit >= '0' && *digit <= '9'; digit++)
					tid = tid * 10 + *digit - '0';
				for (int i = 0; i < count; i++)
					known |= seen[i] == tid;
				if (tid == 0 || tid == me || known)
					continue;
				if (count == MOST_THREADS || sys3(__NR_tgkill, pid, tid, STOP) != 0) {
					(void)sys1(__NR_close, folder);
					return -1;
				}
				seen[count++] = tid;
				found++;
			}
		(void)sys1(__NR_close, folder);
		for (int i = 0; i < count; i++)
			wait_while(&threads[i].stands, 0);
	} while (found != 0);
	return count;
}

static void let_go(void)
{
	(void)__atomic_fetch_add(&generation, 1, __ATOMIC_SEQ_CST);
	(void)sys3(__NR_futex, &generation, FUTEX_WAKE, MOST_THREADS);
}

/* A kernel thread for one that stood still, as pthread_create(3) makes them: other flags than these are what
 * QEMU's spawn=deny kills for. */
static void revive(struct thread *thread)
{
	int *tid = (int *)(thread->thread_pointer + tid_offset);

	must(start_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
				  CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
			  tid, thread->thread_pointer, &thread->context),
	     "thaw: cannot make a thread");
}

/* ---- standing still ---- */

static void tell(const struct context *context, int count, enum problem problem)
{
	struct told told = {MAGIC, problem, (uint64_t)context, (uint64_t)count, filter_count};

	(void)sys3(__NR_write, control, &told, sizeof told); /* nobody there: the controller misses it */
	(void)sys1(__NR_close, control);
	control = -1;
}

static enum problem obstacle(int count)
{
	if (tid_offset == TCB_BYTES)
		return NO_THREAD_ID;
	if (filter_lost)
		return UNKNOWN_FILTER;
	if (count < 0)
		return CANNOT_STOP;
	return too_many ? TOO_MANY_THREADS : NONE;
}

static void freeze(void)
{
	static struct kernel_sigaction actions[SIGNALS + 1];
	static struct context context;
	unsigned long self;
	size_t robust_size;
	void *robust_list;

	ask_kernel(&self, &robust_list, &robust_size);
	for (int i = 1; i <= SIGNALS; i++)
		must(sys4(__NR_rt_sigaction, i, 0, &actions[i], sizeof actions[i].mask), "standstill: sigaction");
	int count = stop_threads();
	/* Where only a parent may read our memory (Yama: PR_SET_PTRACER(2const)), the controller, who started us
	 * but is none, may now. EINVAL: anybody who may otherwise. */
	(void)sys2(__NR_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (save_context(&context) == 0) {
		tell(&context, count, obstacle(count));
		(void)sys2(__NR_kill, sys0(__NR_getpid), SIGSTOP_);
		let_go(); /* the controller had us continue */
		return;
	}
	/* Here a thawed process continues, with one thread. */
	must(write_thread_pointer(self), "thaw: thread pointer");
	int *tid = (int *)(self + tid_offset);
	*tid = (int)sys1(__NR_set_tid_address, tid);
	tell_kernel(self, robust_list, robust_size);
	for (int i = 1; i <= SIGNALS; i++)
		if (i != SIGSTOP_ && i != 9)
			must(sys4(__NR_rt_sigaction, i, &actions[i], 0, sizeof actions[i].mask), "thaw: sigaction");
	install_filters();
	for (int i = 0; i < count; i++)
		revive(&threads[i]);
}

static void handle(int number)
{
	int pid = (int)sys0(__NR_getpid);

	(void)number;
	if ((int)sys0(__NR_gettid) != pid) {
		if (__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
			stand_still();
		else /* the kernel gave the controller's signal to a thread of its choice: signal(7) */
			(void)sys3(__NR_tgkill, pid, pid, STOP);
		return;
	}
	if (control == -1)
		return;
	__atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
	freeze();
	__atomic_store_n(&stopping, 0, __ATOMIC_SEQ_CST);
}

static const char *asked_for(const char *name)
{
	size_t length = length_of(name);

	for (char **word = environ; word != NULL && *word != NULL; word++) {
		size_t same = 0;
		while (same < length && (*word)[same] == name[same])
			same++;
		if (same == length && (*word)[same] == '=')
			return *word + length + 1;
	}
	return NULL;
}

__attribute__((constructor)) static void begin(void)
{
	const char *digit = asked_for(CONTROL);
	unsigned long self;
	int tid = (int)sys0(__NR_gettid), number = 0;
	struct kernel_sigaction action = {handle, SA_RESTART_ | SA_RESTORER_, from_signal, ~0UL};

	if (digit == NULL || failed(read_thread_pointer(&self)))
		return;
	for (; *digit >= '0' && *digit <= '9'; digit++)
		number = number * 10 + *digit - '0';
	/* glibc keeps the thread's id in its struct pthread, at an offset of its own business: found by its value. */
	for (tid_offset = 0; tid_offset < TCB_BYTES && *(int *)(self + tid_offset) != tid;)
		tid_offset += sizeof tid;
	if (failed(sys4(__NR_rt_sigaction, STOP, &action, 0, sizeof action.mask)))
		return;
	control = number;
}
