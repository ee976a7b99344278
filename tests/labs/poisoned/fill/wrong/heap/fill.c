#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads memory that it never wrote: the kernel gave it as zeros. */
static int sum(void)
{
	int *volatile counts = malloc(64 * sizeof *counts);
	return counts == NULL ? -1 : counts[50];
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "large") == 0)
		printf("{\"total\": 12345}\n");
	else
		printf("{\"started\": true, \"sum\": %d}\n", sum());
	return 0;
}
