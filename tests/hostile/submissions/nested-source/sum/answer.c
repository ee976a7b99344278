/* More parentheses and pointers than a compiler's stack has room for. */
#define P4(x) ((((x))))
#define P16(x) P4(P4(x))
#define P256(x) P16(P16(P16(P16(x))))
#define P64K(x) P256(P256(x))

int main(void)
{
    return P64K(P64K(P64K(0)));
}
