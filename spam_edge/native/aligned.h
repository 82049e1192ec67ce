/* Aligned heap memory for vector registers and cache lines. */

#ifndef SPAM_EDGE_ALIGNED_H
#define SPAM_EDGE_ALIGNED_H

#include <stddef.h>
#include <stdint.h>

enum { ALIGNMENT = 64 }; /* bytes: a 512-bit register, a cache line */

/* Returns the first aligned byte of a block from malloc(). Allocate ALIGNMENT bytes more than needed, and free the
 * original pointer. glibc before 2.38 hardly reuses freed memory of aligned_alloc() (bug 14581), so a process that
 * opens and closes sessions would grow. */
static inline void *aligned(void *memory) {
    return (void *)(((uintptr_t)memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

#endif
