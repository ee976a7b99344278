/* Buffers with a guard behind them. Ours: do not change it, the tests have it too. */
#ifndef GUARDED_H
#define GUARDED_H

#include <stddef.h>

/*
 * `size` bytes, all 0. The first byte behind them cannot be read, written or executed: who tries is
 * ended by SIGSEGV. NULL with errno ENOMEM when there is no such room. A size of 0 is allowed.
 */
void *guarded_alloc(size_t size);

/* Gives it back; whoever uses it afterwards is ended by SIGSEGV, too. Nothing happens to NULL. */
void guarded_free(void *buffer);

#endif
