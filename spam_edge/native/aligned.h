/* Memory for whole registers and lines of the cache. */

#ifndef SPAM_EDGE_ALIGNED_H
#define SPAM_EDGE_ALIGNED_H

#include <stddef.h>
#include <stdint.h>

enum { ALIGNMENT = 64 };

/* The first aligned byte of memory from malloc() that has ALIGNMENT bytes more than are needed. What aligned_alloc()
 * gives is hardly ever used again by the C library once it was freed (glibc before 2.38, bug 14581): a process that
 * opens and closes sessions would grow with each. */
static inline void *aligned(void *memory) {
    return (void *)(((uintptr_t)memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

#endif
