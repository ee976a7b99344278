/* The parts of run: the sandbox it can put a program into, and the facts it can find out. */
#ifndef ISOLAB_RUN_H
#define ISOLAB_RUN_H

/* Empty the capability bounding set, while we still may (CAP_SETPCAP). 0, or -1 with errno. */
int sandbox_drop_bounding_set(void);

/* Give up everything that can be given up; only `dir` stays writable. 0, or -1 with errno. */
int sandbox_enter(const char *dir);

/* Landlock's ABI version (landlock(7)), 0 where the kernel has none. */
int landlock_abi(void);

/* Print what this machine is and allows, as one line of JSON. Returns an exit status. */
int facts(void);

#endif
