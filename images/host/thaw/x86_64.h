/*
 * x86_64.h - what differs between architectures of hosts: system calls, and leaving and entering a thread.
 *
 * For another architecture the same is needed: sys6(), save_context(), enter(), start_thread(), from_signal(),
 * _start, rseq(2)'s signature, and how the thread pointer is read and set. Sources: the System V ABI, AMD64
 * supplement, 3.2.1 (registers that a function preserves) and A.2.1 (system calls); clone(2), "C library/kernel
 * differences"; sigreturn(2).
 */
#ifndef X86_64_H
#define X86_64_H

#include <asm/prctl.h>
#include <asm/unistd.h>

#define RSEQ_SIGNATURE 0x53053053 /* glibc's, sysdeps/unix/sysv/linux/x86/bits/rseq.h */

struct context {
	unsigned long registers[8]; /* rbx rbp r12 r13 r14 r15 rsp rip */
};

static inline long sys6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long read_thread_pointer(unsigned long *pointer)
{
	return sys6(__NR_arch_prctl, ARCH_GET_FS, (long)pointer, 0, 0, 0, 0);
}

static inline long write_thread_pointer(unsigned long pointer)
{
	return sys6(__NR_arch_prctl, ARCH_SET_FS, (long)pointer, 0, 0, 0, 0);
}

/* 0, and 1 when enter() makes it return a second time. */
__attribute__((visibility("hidden"), returns_twice)) long save_context(struct context *context);
__attribute__((visibility("hidden"), noreturn)) void enter(const struct context *context);
/* clone(2) of a thread that enters a context; the kernel writes its id to *tid and clears it at its end. */
__attribute__((visibility("hidden"))) long start_thread(unsigned long flags, int *tid, unsigned long thread_pointer,
							const struct context *context);
/* What a signal handler returns to. */
__attribute__((visibility("hidden"))) void from_signal(void);

#ifdef WITH_CONTEXTS
__asm__(".text\n"
	".globl save_context, enter, start_thread, from_signal\n"
	".hidden save_context, enter, start_thread, from_signal\n"
	".type save_context, @function\n"
	"save_context:\n"
	"	movq %rbx, 0(%rdi)\n"
	"	movq %rbp, 8(%rdi)\n"
	"	movq %r12, 16(%rdi)\n"
	"	movq %r13, 24(%rdi)\n"
	"	movq %r14, 32(%rdi)\n"
	"	movq %r15, 40(%rdi)\n"
	"	leaq 8(%rsp), %rax\n" /* as it is after our return */
	"	movq %rax, 48(%rdi)\n"
	"	movq (%rsp), %rax\n"
	"	movq %rax, 56(%rdi)\n"
	"	xorl %eax, %eax\n"
	"	ret\n"
	".type enter, @function\n"
	"enter:\n"
	"	movq 0(%rdi), %rbx\n"
	"	movq 8(%rdi), %rbp\n"
	"	movq 16(%rdi), %r12\n"
	"	movq 24(%rdi), %r13\n"
	"	movq 32(%rdi), %r14\n"
	"	movq 40(%rdi), %r15\n"
	"	movq 48(%rdi), %rsp\n"
	"	movl $1, %eax\n"
	"	jmpq *56(%rdi)\n"
	".type start_thread, @function\n"
	"start_thread:\n" /* clone(flags, stack, parent_tid, child_tid, tls): the raw order of x86-64 */
	"	movq %rcx, %r9\n"
	"	movq %rdx, %r8\n"
	"	movq %rsi, %rdx\n"
	"	movq %rsi, %r10\n"
	"	movq 48(%r9), %rsi\n"
	"	movl $56, %eax\n"
	"	syscall\n"
	"	testq %rax, %rax\n"
	"	jnz 1f\n"
	"	movq %r9, %rdi\n"
	"	jmp enter\n"
	"1:	ret\n"
	".type from_signal, @function\n"
	"from_signal:\n"
	"	movl $15, %eax\n" /* rt_sigreturn */
	"	syscall\n");
#endif

#ifdef WITH_START
/* Where the kernel enters a program: the stack pointer is at its arguments. begin() gets that, and a stack of our
 * own, for the kernel's may have to make room. */
__asm__(".globl _start\n"
	"_start:\n"
	"	movq %rsp, %rdi\n"
	"	leaq own_stack_end(%rip), %rsp\n"
	"	andq $-16, %rsp\n"
	"	call begin\n"
	".bss\n"
	".balign 16\n"
	".skip 65536\n"
	"own_stack_end: .skip 16\n"
	".text\n");
#endif

#endif
