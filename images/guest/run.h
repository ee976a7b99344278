/* The parts of run: orders, the start of a program, what it finds around it, the sandbox it can be put
 * into, what happens while it runs, what it used, its end, the report, facts, digests. */
#ifndef ISOLAB_RUN_H
#define ISOLAB_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

struct order {
	uid_t uid;
	gid_t gid;
	bool switch_user;
	bool sandbox;
	bool inherit;
	bool stand_by;
	const char *dir;
	const char *file;
	long timeout_ms;
	long processor_ms; /* 0: no limit */
	size_t output;
	size_t input;
	char **env;
	char **argv;
};

/* SHA-256, made of any number of pieces. */
struct digest {
	uint32_t state[8];
	uint64_t length;
	unsigned char pending[64];
};

/* Standard output or standard error of a program. */
struct stream {
	int fd;
	char *data;
	size_t kept;
	uint64_t total;
	struct digest digest; /* of all of it, once more came than is kept */
};

struct outcome {
	int status;
	bool ended, limited; /* by the limit that its signal is for */
	const char *killed_for; /* "", "timeout", "processor", "output", "hangup" */
	struct timespec begun, done;
	uint64_t used_before, used; /* microseconds of processor time: of earlier orders, of this one */
	struct rusage usage;
};

/* Say why on standard error, as printf(3), and exit with 125: run itself cannot do its job. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The arguments as an order: its environment is to be freed, the rest is where they are. */
struct order parse(char **argv);

/* Take one order from standard input: its arguments, each ended by a NUL, in memory to be freed.
 * NULL at its end. */
char *next_order(size_t *length, size_t *input);

/* The words of an order as an argument list, to be freed; `name` comes first. */
char **words_of(char *name, char *arguments, size_t length);

/* The status of a child that could not become the program because its user has too many processes. */
enum { CROWDED = 126 };

/* In a child: become the program. Whatever fails is told through `tell`, closed by exec. */
void become_program(const struct order *order, int input, int output, int error, int tell);

/* Start the program of an order, with pipes for its output; `why` it could not, or "". */
pid_t launch(const struct order *order, struct stream *out, struct stream *err, char *why, size_t why_size);

/* Keep the program's output and enforce its limits until it has ended, with all that it started. */
void watch(pid_t leader, const struct order *order, struct stream *out, struct stream *err,
	   struct outcome *outcome, int child_events);

/* Reap whom there is to reap, but not for ever: a tree may die and grow at once. Returns false when no
 * child is left. */
bool reap_some(pid_t leader, struct outcome *outcome);

/* Kill until nothing is left. Each death hands its children to us, the subreaper. */
void kill_tree(pid_t leader, struct outcome *outcome);

/* Take what came as a signal: that of a child is only a wake-up, for wait4(2) knows the rest. */
bool asked_to_end(int events);

/* Write the report: the kernel's kills for want of memory are those since the last, or since they were
 * first counted. Returns an exit status. */
void count_out_of_memory_kills(void);
int report(const struct outcome *outcome, struct stream *out, struct stream *err, const char *why);

/* Each of these makes what a program inherits isolab's own. 0, or -1 with errno. */
int default_signals(void);
int default_limits(void);
int default_priority(void);
int close_the_rest_on_exec(void);

struct process {
	pid_t pid, parent;
	uint64_t ticks; /* of processor time, with those of its children that it has reaped */
	bool ours;      /* it descends from us */
	bool dead;
};

/* The processes there are, but at most so many, in the order of their numbers. Returns how many. */
size_t look_around(struct process *seen, size_t most);

/* The one with this number, or NULL. */
struct process *process_of(struct process *seen, size_t count, pid_t pid);

/* Microseconds of processor time of all children that were waited for, and of all living descendants. */
uint64_t processor_time_of_the_dead(void);
uint64_t processor_time_of_the_living(void);
uint64_t microseconds(struct timeval value);

/* Stop, then kill all that we have started and that these have started; what is dead remains to be
 * reaped, and there may be more by now. */
void kill_descendants(void);

/* Go before all usual programs, as far as we may; returns what take_turns() needs to undo it. */
int hurry(void);
void take_turns(int usual);

/* The name of a signal, which unlike its number is the same everywhere. */
const char *signal_name(int number);

/* A shell's exit status for a wait status; says on standard error which signal it was. */
int exit_status(int status);

/* Run a program in this session until it ends. Returns its exit status. */
int stand_by(const struct order *order);

/* Empty the capability bounding set, while we still may (CAP_SETPCAP). 0, or -1 with errno. */
int sandbox_drop_bounding_set(void);

/* Give up everything that can be given up; only `dir` stays writable. 0, or -1 with errno. */
int sandbox_enter(const char *dir);

/* Landlock's ABI version (landlock(7)), 0 where the kernel has none. */
int landlock_abi(void);

/* Print what this machine is and allows, as one line of JSON. Returns an exit status. */
int facts(void);

enum { DIGEST_TEXT = 64 + 1 };

void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t length);

/* Write the digest as DIGEST_TEXT characters, NUL included; nothing can be added any more. */
void digest_end(struct digest *digest, char *text);

#endif
