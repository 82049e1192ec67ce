/* Preloaded into a process on Linux, hides VNNI from it, and with HIDE_AVX512 set also AVX-512: then libraries that
 * look at CPUID choose the kernels they would run on an older processor. Needs a processor and a kernel that let CPUID
 * fault; says so on standard error where they do not. */

#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

static unsigned avx512;

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    unsigned a, b, c, d, leaf = registers[REG_RAX], part = registers[REG_RCX];
    if (code[0] != 0x0f || code[1] != 0xa2) { /* no CPUID: a real fault, to be met again without us */
        signal(number, SIG_DFL);
        return;
    }
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1UL);
    __cpuid_count(leaf, part, a, b, c, d);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0UL);
    if (leaf == 7 && part == 0) {
        b &= ~avx512;
        c &= ~(1u << 11 | (avx512 ? 1u << 1 | 1u << 6 | 1u << 12 | 1u << 14 : 0)); /* AVX512_VNNI */
        d &= ~(1u << 22 | 1u << 24 | 1u << 25);                                      /* AMX */
    }
    if (leaf == 7 && part == 1) {
        a &= ~(1u << 4);            /* AVX_VNNI */
        d &= ~(1u << 4 | 1u << 10); /* AVX_VNNI_INT8, AVX_VNNI_INT16 */
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void) {
    static const char sorry[] = "CPUID cannot be made to fault here\n";
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (getenv("HIDE_AVX512"))
        avx512 = 1u << 16 | 1u << 17 | 1u << 21 | 1u << 28 | 1u << 30 | 1u << 31;
    sigaction(SIGSEGV, &action, NULL);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0UL) && write(STDERR_FILENO, sorry, sizeof sorry - 1) < 0)
        _exit(1);
}
