/*
 * Classic BPF in user space: the instructions that seccomp(2) takes, on struct seccomp_data in the
 * machine's own byte order. What they mean is told in the kernel's Documentation/networking/filter.rst.
 */
#include "bpf.h"

#include <stdbool.h>
#include <string.h>

struct machine {
    uint32_t a, x;
    uint32_t memory[BPF_MEMWORDS];
};

static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t by)
{
    switch (operation) {
    case BPF_ADD: return a + by;
    case BPF_SUB: return a - by;
    case BPF_MUL: return a * by;
    case BPF_DIV: return by == 0 ? 0 : a / by;
    case BPF_OR: return a | by;
    case BPF_AND: return a & by;
    case BPF_XOR: return a ^ by;
    case BPF_LSH: return by > 31 ? 0 : a << by;
    case BPF_RSH: return by > 31 ? 0 : a >> by;
    default: return -a; /* BPF_NEG */
    }
}

static bool compare(uint16_t operation, uint32_t a, uint32_t with)
{
    switch (operation) {
    case BPF_JEQ: return a == with;
    case BPF_JGT: return a > with;
    case BPF_JGE: return a >= with;
    default: return (a & with) != 0; /* BPF_JSET */
    }
}

static bool load(struct machine *m, const struct sock_filter *at, const struct seccomp_data *call)
{
    uint32_t value;
    switch (BPF_MODE(at->code)) {
    case BPF_ABS:
        if (at->k > sizeof *call - sizeof value || at->k % sizeof value != 0)
            return false;
        memcpy(&value, (const char *)call + at->k, sizeof value);
        break;
    case BPF_IMM: value = at->k; break;
    case BPF_LEN: value = sizeof *call; break;
    case BPF_MEM:
        if (at->k >= BPF_MEMWORDS)
            return false;
        value = m->memory[at->k];
        break;
    default: return false;
    }
    if (BPF_CLASS(at->code) == BPF_LD)
        m->a = value;
    else
        m->x = value;
    return true;
}

static bool store(struct machine *m, const struct sock_filter *at)
{
    if (at->k >= BPF_MEMWORDS)
        return false;
    m->memory[at->k] = BPF_CLASS(at->code) == BPF_ST ? m->a : m->x;
    return true;
}

uint32_t judge(const struct sock_filter *program, size_t length, const struct seccomp_data *call)
{
    struct machine m = {0};
    for (size_t at = 0; at < length; at++) {
        const struct sock_filter *now = &program[at];
        uint32_t operand = BPF_SRC(now->code) == BPF_X ? m.x : now->k;
        bool fine = true;
        switch (BPF_CLASS(now->code)) {
        case BPF_LD:
        case BPF_LDX: fine = load(&m, now, call); break;
        case BPF_ST:
        case BPF_STX: fine = store(&m, now); break;
        case BPF_ALU: m.a = calculate(BPF_OP(now->code), m.a, operand); break;
        case BPF_JMP:
            if (BPF_OP(now->code) == BPF_JA)
                at += now->k;
            else
                at += compare(BPF_OP(now->code), m.a, operand) ? now->jt : now->jf;
            break;
        case BPF_RET:
            return (BPF_RVAL(now->code) == BPF_A ? m.a : now->k) & SECCOMP_RET_ACTION_FULL;
        default: /* BPF_MISC */
            if (BPF_MISCOP(now->code) == BPF_TAX)
                m.x = m.a;
            else
                m.a = m.x;
        }
        if (!fine)
            break;
    }
    return SECCOMP_RET_KILL_PROCESS;
}
