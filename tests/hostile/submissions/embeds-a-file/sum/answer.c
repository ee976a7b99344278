/* Embeds a file of the host by the assembler's .incbin. */
#include <stdio.h>

extern const char secret[];
__asm__(".global secret\nsecret: .incbin \"/etc/passwd\"\n.byte 0\n");

int main(void)
{
    puts(secret);
    return 0;
}
