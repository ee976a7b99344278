/* Includes what nobody writes to. */
#include "/dev/stdin"
#include "/proc/self/environ"

int main(void)
{
    return 0;
}
