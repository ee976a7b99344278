/* The parts of run: what a program finds around it, the sandbox it can be put into, what it used,
 * facts, digests. */
#ifndef ISOLAB_RUN_H
#define ISOLAB_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

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

/* Each of these makes what a program inherits isolab's own. 0, or -1 with errno. */
int default_signals(void);
int default_limits(void);
int default_priority(void);
int close_the_rest_on_exec(void);

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

/* SHA-256, made of any number of pieces. */
struct digest {
	uint32_t state[8];
	uint64_t length;
	unsigned char pending[64];
};

enum { DIGEST_TEXT = 64 + 1 };

void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t length);

/* Write the digest as DIGEST_TEXT characters, NUL included; nothing can be added any more. */
void digest_end(struct digest *digest, char *text);

#endif
