/*
 * The in-process sandbox: what a program can give up about itself, without any namespace.
 *
 *   1. capabilities(7): bounding, ambient, permitted, effective and inheritable sets emptied
 *   2. no_new_privs (prctl(2)): exec never gives any of them back
 *   3. landlock(7), where the kernel has it: read everything, write only beneath its own folder
 *   4. seccomp(2): system calls that reach beyond the process fail with EPERM
 *
 * The order matters: Landlock and seccomp may be used without privilege only after step 2, and
 * the seccomp filter comes last because it forbids the calls the other steps are made of.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define OUR_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined __i386__
#define OUR_AUDIT_ARCH AUDIT_ARCH_I386
#elif defined __aarch64__
#define OUR_AUDIT_ARCH AUDIT_ARCH_AARCH64
#elif defined __arm__
#define OUR_AUDIT_ARCH AUDIT_ARCH_ARM
#elif defined __riscv
#define OUR_AUDIT_ARCH AUDIT_ARCH_RISCV64
#elif defined __powerpc64__
#define OUR_AUDIT_ARCH AUDIT_ARCH_PPC64LE
#elif defined __s390x__
#define OUR_AUDIT_ARCH AUDIT_ARCH_S390X
#elif defined __mips64
#define OUR_AUDIT_ARCH AUDIT_ARCH_MIPSEL64
#elif defined __mips__
#define OUR_AUDIT_ARCH AUDIT_ARCH_MIPSEL
#else
#error "no audit architecture known for this target"
#endif

int sandbox_drop_bounding_set(void)
{
	for (int capability = 0; capability <= 63; capability++) {
		if (prctl(PR_CAPBSET_READ, capability) == -1)
			break; /* EINVAL: past the last one this kernel knows */
		/* Without CAP_SETPCAP the set stays; step 2 makes it worthless all the same. */
		if (prctl(PR_CAPBSET_DROP, capability) == -1 && errno != EPERM)
			return -1;
	}
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct nothing[2] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 && errno != EINVAL)
		return -1;
	return (int)syscall(SYS_capset, &header, nothing);
}

int landlock_abi(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

#define READ_ACCESS \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_ACCESS                                                                                    \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |       \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |    \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)

static int allow_beneath(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return errno == ENOENT ? 0 : -1;
	int result = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return result;
}

static int restrict_files(const char *dir)
{
	/* The rights of ABI 1: every kernel with Landlock has them. */
	struct landlock_ruleset_attr attributes = {.handled_access_fs = READ_ACCESS | WRITE_ACCESS};

	if (landlock_abi() == 0)
		return 0;
	/* Not sizeof: later headers append fields an older kernel would refuse. */
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes,
				   sizeof attributes.handled_access_fs, 0);
	if (ruleset == -1)
		return -1;
	int result = -1;
	if (allow_beneath(ruleset, "/", READ_ACCESS) == 0 &&
	    allow_beneath(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE) == 0 &&
	    allow_beneath(ruleset, "/dev/shm", READ_ACCESS | WRITE_ACCESS) == 0 &&
	    (dir == NULL || allow_beneath(ruleset, dir, READ_ACCESS | WRITE_ACCESS) == 0))
		result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return result;
}

/* Calls that reach other processes, the kernel or the machine. */
static const int forbidden[] = {
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_unshare, SYS_setns, SYS_mount,
	SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_bpf, SYS_perf_event_open, SYS_keyctl, SYS_add_key,
	SYS_request_key, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon,
	SYS_swapoff, SYS_kexec_load, SYS_userfaultfd, SYS_open_by_handle_at, SYS_acct, SYS_quotactl,
	SYS_sethostname, SYS_setdomainname, SYS_syslog, SYS_pidfd_getfd, SYS_io_uring_setup,
	SYS_fsopen, SYS_open_tree, SYS_move_mount, SYS_mount_setattr,
};

#ifdef __s390x__
enum { CLONE_FLAGS = 1 }; /* there the stack comes first: clone(2) */
#else
enum { CLONE_FLAGS = 0 };
#endif
enum { MAX_FILTER = 128 };

struct filter {
	struct sock_filter code[MAX_FILTER];
	unsigned short length;
};

static void emit(struct filter *filter, struct sock_filter instruction)
{
	if (filter->length < MAX_FILTER)
		filter->code[filter->length++] = instruction;
}

#define LOAD(field) \
	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define RETURN(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (value))
#define UNLESS_EQUAL_SKIP(value, count) \
	(struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (count))
#define UNLESS_ANY_BIT_SKIP(value, count) \
	(struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(value), 0, (count))
#define REFUSE(number) RETURN(SECCOMP_RET_ERRNO | (number))

/* The low half of an argument; seccomp_data is in the machine's own byte order. */
static struct sock_filter load_argument(int index)
{
	uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)index);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	offset += 4;
#endif
	return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
}

static struct filter build_filter(void)
{
	struct filter filter = {.length = 0};
	const uint32_t namespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
				    CLONE_NEWNET | CLONE_NEWCGROUP;

	emit(&filter, LOAD(arch));
	emit(&filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_AUDIT_ARCH, 1, 0));
	emit(&filter, RETURN(SECCOMP_RET_KILL_PROCESS));
	emit(&filter, LOAD(nr));
#ifdef __x86_64__
	/* The x32 numbers of the same calls share this architecture: seccomp(2). */
	emit(&filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
	emit(&filter, REFUSE(EPERM));
#endif
	for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
		emit(&filter, UNLESS_EQUAL_SKIP(forbidden[i], 1));
		emit(&filter, REFUSE(EPERM));
	}
	/* clone3 hides its flags behind a pointer; ENOSYS makes libraries use clone instead. */
	emit(&filter, UNLESS_EQUAL_SKIP(SYS_clone3, 1));
	emit(&filter, REFUSE(ENOSYS));
	emit(&filter, UNLESS_EQUAL_SKIP(SYS_clone, 4));
	emit(&filter, load_argument(CLONE_FLAGS));
	emit(&filter, UNLESS_ANY_BIT_SKIP(namespaces, 1));
	emit(&filter, REFUSE(EPERM));
	emit(&filter, RETURN(SECCOMP_RET_ALLOW));
	emit(&filter, UNLESS_EQUAL_SKIP(SYS_socket, 4));
	emit(&filter, load_argument(0));
	emit(&filter, UNLESS_EQUAL_SKIP(AF_UNIX, 1));
	emit(&filter, RETURN(SECCOMP_RET_ALLOW));
	emit(&filter, REFUSE(EPERM));
	emit(&filter, RETURN(SECCOMP_RET_ALLOW));
	return filter;
}

int sandbox_enter(const char *dir)
{
	struct filter filter = build_filter();
	struct sock_fprog program = {.len = filter.length, .filter = filter.code};

	if (drop_capabilities() == -1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	if (restrict_files(dir) == -1)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
