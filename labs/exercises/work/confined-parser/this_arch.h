/*
 * THIS_ARCH: what seccomp_data.arch holds for the calls of this program. System call numbers mean
 * nothing without the calling convention that they belong to: seccomp(2), syscall(2).
 */
#ifndef THIS_ARCH_H
#define THIS_ARCH_H

#include <linux/audit.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define THIS_ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define THIS_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define THIS_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define THIS_ARCH AUDIT_ARCH_S390X
#elif defined(__mips64) && defined(__MIPSEL__)
#define THIS_ARCH AUDIT_ARCH_MIPSEL64
#elif defined(__mips__) && defined(__MIPSEL__)
#define THIS_ARCH AUDIT_ARCH_MIPSEL
#else
#error "add the AUDIT_ARCH_ constant of this architecture"
#endif

#endif
