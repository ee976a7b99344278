/*
 * What computing costs when the kernel is not asked: the control for everything else that is measured.
 *
 * Each loop is a chain, in which every step needs the result of the one before: the processor can do
 * nothing ahead, and the compiler can leave nothing out.
 */
#include "../measure.h"

enum { CELLS = 1 << 16, STRIDE = 40503 };

/* A ring through all cells in an order that looks like none: STRIDE is odd and CELLS a power of two. */
static uint32_t next_cell[CELLS];

/* Where results go, so that they count as used. */
static volatile uint32_t integer_sink;
static volatile double real_sink;

static void integers(void *with, uint32_t times)
{
    uint32_t x = 2463534242u;
    (void)with;
    for (uint32_t i = 0; i < times; i++) { /* Marsaglia's xorshift: six operations, never 0 */
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    integer_sink = x;
}

static void reals(void *with, uint32_t times)
{
    double x = 0.5;
    (void)with;
    for (uint32_t i = 0; i < times; i++)
        x = x * x - 1.25 + 0.75 * x; /* stays between -2 and 2 */
    real_sink = x;
}

static void memory(void *with, uint32_t times)
{
    uint32_t at = 0;
    (void)with;
    for (uint32_t i = 0; i < times; i++)
        at = next_cell[at];
    integer_sink = at;
}

int main(void)
{
    bool one = stay_on_one_processor();
    for (uint32_t i = 0; i < CELLS; i++)
        next_cell[i] = (i + STRIDE) % CELLS;
    observe_cost("integers", measure(integers, NULL, 0), 1);
    observe_cost("reals", measure(reals, NULL, 0), 1);
    observe_cost("memory", measure(memory, NULL, 0), 1);
    observe_one_processor(one);
    print_observed();
    return 0;
}
