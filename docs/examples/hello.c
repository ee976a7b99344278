/* Prints three things in which architectures differ: byte order, pointer size, sign of char. */
#include <stdio.h>
#include <string.h>

int main(void)
{
	unsigned number = 0x01020304;
	unsigned char first;

	memcpy(&first, &number, 1);
	printf("first byte %d, pointer %zu bytes, char %s\n", first, sizeof(void *),
	       (char)-1 < 0 ? "signed" : "unsigned");
	return 0;
}
