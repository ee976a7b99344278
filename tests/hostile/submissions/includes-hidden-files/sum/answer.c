/* Includes the hidden tests under another name than main(), in a way that compiles. */
#define main probe
#include "hidden/prober.c"
#undef main

int main(void)
{
    return probe();
}
