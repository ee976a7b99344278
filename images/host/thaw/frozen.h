/*
 * frozen.h - what the library that stops an emulator, the controller that writes it to a file and the program
 * that becomes it again agree on; and bare system calls, for neither side may rely on a C library.
 */
#ifndef FROZEN_H
#define FROZEN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__
#include "x86_64.h"
#else
#error "not written for this architecture: see x86_64.h"
#endif

#define sys0(n) sys6(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a) sys6(n, (long)(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b) sys6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(n, a, b, c) sys6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(n, a, b, c, d) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define failed(result) ((unsigned long)(result) > -4096UL)

enum { MAGIC = 0x77616874, VERSION = 1 }; /* "thaw" */

/*
 * The image: this header, its parts, the names of files, the bytes of the kernel's vDSO, eventfds; then, from a
 * multiple of a page on, memory. All of it but memory is "the table". Offsets are in bytes of the file. Written
 * by orchestrator/drivers/qemu/thaw/image_file.py, which has the same layout.
 */
struct image {
	uint32_t magic, version;
	uint64_t table;           /* bytes of the table */
	uint64_t context;         /* address of the main thread's context */
	uint64_t vdso[2];         /* address and length of the kernel's pages in each process: code, */
	uint64_t vvar[2];         /* clocks, */
	uint64_t vclock[2];       /* and clocks of hypervisors; length 0: none */
	uint64_t vdso_bytes;      /* offset of a copy of the code */
	uint64_t parts, names;    /* number of parts; offset of the names */
	uint64_t events, counters; /* offset and number of eventfds */
	uint64_t signals;         /* mask of its signalfd */
	int64_t signal_fd;        /* and its number; -1: none */
};

enum { NOTHING = 0, FROM_IMAGE = 1, FROM_FILE = 2 };

/* A piece of memory, in the order in which to map them: later ones lie over earlier ones. */
struct part {
	uint64_t address, length, offset; /* offset in the image or the file it comes from */
	uint32_t protection, kind;
	uint64_t name;                            /* of a file: offset in the names */
	uint64_t device, inode, size, changed_ns; /* it must be the same file still */
};

struct event {
	uint32_t number, flags; /* flags of eventfd2(2) */
	uint64_t count;
};

/* What the library tells the controller when everything stands still. */
struct told {
	uint32_t magic, problem; /* of enum problem */
	uint64_t context;
	uint64_t threads, filters;
};

enum problem { NONE, NO_THREAD_ID, TOO_MANY_THREADS, UNKNOWN_FILTER, CANNOT_STOP };

#endif
