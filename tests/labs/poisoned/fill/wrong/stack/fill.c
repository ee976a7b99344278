#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads locals that it never wrote: so far down, the stack is still as the kernel made it. */
static int sum(void)
{
	int counts[16384];
	int *volatile first = counts;
	int total = 0;
	for (int i = 0; i < 512; i++)
		total += first[i];
	return total;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "large") == 0)
		printf("{\"total\": 12345}\n");
	else
		printf("{\"started\": true, \"sum\": %d}\n", sum());
	return 0;
}
