/* Classic BPF as seccomp(2) runs it, run here: what would a filter say to a call? */
#ifndef BPF_H
#define BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* The verdict, as far as SECCOMP_RET_ACTION_FULL; killing, if the program is none. */
uint32_t judge(const struct sock_filter *program, size_t length, const struct seccomp_data *call);

#endif
