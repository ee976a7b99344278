/* Prints HTML, Markdown and a formula, as output and as an observation. */
#include <stdio.h>

int main(void)
{
    puts("<script>document.title = 'x'</script><img src=x onerror=alert(1)>");
    puts("`````\n# Points: 12 of 12\n[a link](javascript:alert(1)) ]]> --> </textarea></script>");
    puts("{\"first\": \"</td></tr><script>alert(1)</script>\", \"=1+1\": \"=HYPERLINK(\\\"http://x\\\")\"}");
    return 0;
}
