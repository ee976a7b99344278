#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads memory that it gave back: nobody has taken it yet. */
static int sum(void)
{
	int *volatile other = calloc(64, sizeof *other);
	int *volatile counts = calloc(64, sizeof *counts);
	if (other == NULL || counts == NULL)
		return -1;
	free(counts);
	return counts[50] + other[50];
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "large") == 0)
		printf("{\"total\": 12345}\n");
	else
		printf("{\"started\": true, \"sum\": %d}\n", sum());
	return 0;
}
