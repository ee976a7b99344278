/* Right, in C of 1978: no prototypes, no return types, jumps. */
long long sum, sign, digit;

main()
{
    int byte;

    sign = 1, digit = -1;
next:
    byte = getchar();
    if (byte >= '0' && byte <= '9') {
        digit = (digit < 0 ? 0 : digit * 10) + byte - '0';
        goto next;
    }
    if (digit >= 0)
        sum += sign * digit;
    digit = -1;
    sign = byte == '-' ? -1 : 1;
    if (byte != -1)
        goto next;
    printf("%lld\n", sum);
    return 0;
}
