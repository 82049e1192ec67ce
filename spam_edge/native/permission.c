/* Permission of the kernel for the registers of an instruction set.
 *
 * Linux gives the tile data of AMX to processes that ask for them: saving them takes 8 KiB more per context switch and
 * signal. It refuses where kernel or hypervisor do not support them, or a signal stack is too small. Without permission
 * a tile instruction ends the process. Linux, Documentation/arch/x86/xstate.rst. */

#define _GNU_SOURCE /* for syscall */
#include "permission.h"

#ifdef SPAM_EDGE_AMX

#include <sys/syscall.h>
#include <unistd.h>

enum { REQUEST_PERMISSION = 0x1023 /* ARCH_REQ_XCOMP_PERM */, TILE_DATA = 18 /* XFEATURE_XTILEDATA */ };

int ask_permission(void) { return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0; }

#else

int ask_permission(void) { return 1; }

#endif
