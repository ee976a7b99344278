/* Macros that expand to 2 to the 40 tokens. */
#define A(x) x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
#define B(x) A(A(x))
#define C(x) B(B(x))
#define D(x) C(C(x))

int main(void)
{
    D(;)
    return 0;
}
