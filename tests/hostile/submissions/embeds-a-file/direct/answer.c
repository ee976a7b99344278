/* Embeds a file of the host by #embed of C23. */
#include <stdio.h>

static const unsigned char secret[] = {
#embed "/etc/passwd"
};

int main(void)
{
    fwrite(secret, 1, sizeof secret, stdout);
    return 0;
}
