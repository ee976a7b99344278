/* A tester that is content. */
#include <stdio.h>

int main(void)
{
    puts("{\"three\": \"6\\n\", \"none\": \"0\\n\", \"negative\": \"-5\\n\"}");
    return 0;
}
