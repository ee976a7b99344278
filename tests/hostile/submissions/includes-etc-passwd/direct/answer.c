/* The same by a relative path, from a macro. */
#define STR(x) #x
#define FILE_OF(x) STR(../../../../../../../../../../../etc/x)
#include FILE_OF(passwd)

int main(void)
{
    return 0;
}
