/* The same by way of a tester. */
#include <stdio.h>

int main(void)
{
    printf("<script>alert(1)</script>`````\n\n=1+1");
    fprintf(stderr, "<script>alert(1)</script>\n");
    return 0;
}
