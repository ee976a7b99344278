/* Has a compiler print what it wants to. */
#error <script>alert(1)</script> </pre> `````

int main(void)
{
    return 0;
}
