#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int large(void)
{
	int *table = malloc(4096 * sizeof *table);
	if (table == NULL)
		return 1;
	table[17] = 12345;
	int total = 0;
	for (int i = 0; i < 4096; i++)
		total += table[i];
	free(table);
	printf("{\"total\": %d}\n", total);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "large") == 0)
		return large();
	int sum = 0;
	printf("{\"started\": true, \"sum\": %d}\n", sum);
	return 0;
}
