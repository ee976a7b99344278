// Right, with digraphs, comments that go on \
   on the next line, and spliced li\
nes.
%:include <stdio.h>

int main(void)
<%
    long long number<:1:>, sum = 0;
    while (sca\
nf("%lld", number) == 1)
        sum += /* not // a comment */ number<:0:>; //* nor this */
    printf("%lld\n", sum);
    return 0;
%>
