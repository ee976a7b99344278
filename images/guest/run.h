/* The parts of run: the sandbox it can put a program into, the facts it can find out, digests. */
#ifndef ISOLAB_RUN_H
#define ISOLAB_RUN_H

#include <stddef.h>
#include <stdint.h>

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
