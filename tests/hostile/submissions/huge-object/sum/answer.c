/* An object file of a terabyte. */
char data[1UL << 40] = {1};

int main(void)
{
    return data[0];
}
