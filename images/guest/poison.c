/*
 * Memory from the heap with contents that are not zero, for programs whose authors must not rely on it.
 *
 * Compiled once for each function, so that a program which brings its own malloc() links as usual: the linker takes
 * from an archive only what is missing. musl has the allocator itself under names of its own.
 *
 * Only the first MAX bytes are filled. A program may ask for much more than the machine has and use a part.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define MAX ((size_t)1 << 20)
#define NEW 0xA5   /* never written by the program */
#define FREED 0xDB /* not the program's any more */

void *__libc_malloc_impl(size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);
size_t malloc_usable_size(void *of);

static inline void *fill(void *start, size_t from, size_t to, unsigned char with)
{
	volatile unsigned char *bytes = start; /* volatile: what is stored into freed memory looks useless */
	if (start != NULL && to > from + MAX)
		to = from + MAX;
	for (size_t i = from; start != NULL && i < to; i++)
		bytes[i] = with;
	return start;
}

#if defined(PART_malloc)

void *malloc(size_t size)
{
	return fill(__libc_malloc_impl(size), 0, size, NEW);
}

#elif defined(PART_calloc)

void *malloc(size_t size);

void *calloc(size_t number, size_t size)
{
	if (size != 0 && number > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	unsigned char *bytes = malloc(number * size);
	for (size_t i = 0; bytes != NULL && i < number * size; i++)
		bytes[i] = 0;
	return bytes;
}

#elif defined(PART_realloc)

void *realloc(void *old, size_t size)
{
	size_t had = old != NULL ? malloc_usable_size(old) : 0;
	return fill(__libc_realloc(old, size), had, size, NEW);
}

#elif defined(PART_free)

void free(void *old)
{
	int before = errno;
	if (old != NULL)
		fill(old, 0, malloc_usable_size(old), FREED);
	__libc_free(old);
	errno = before;
}

#elif defined(PART_aligned_alloc)

/* posix_memalign() and memalign() are made of it; the linker's --wrap puts this one in its place. */
void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fill(__real_aligned_alloc(alignment, size), 0, size, NEW);
}

#endif
