/* Shows how a number lies in memory, and leaves it in a file for a second user to read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *path_of_this_run(char *buffer, size_t size)
{
	const char *tag = getenv("ISOLAB_TAG"); /* no other run, machine or exercise has it */

	snprintf(buffer, size, "/dev/shm/%s", tag != NULL ? tag : "byte-order");
	return buffer;
}

static int write_number(const char *path)
{
	const uint32_t number = 0x01020304;
	unsigned char bytes[sizeof number];
	FILE *file = fopen(path, "wb");

	if (file == NULL || fwrite(&number, sizeof number, 1, file) != 1 || fclose(file) != 0 ||
	    chmod(path, 0644) == -1) {
		perror(path);
		return 1;
	}
	memcpy(bytes, &number, sizeof bytes);
	printf("{\"first_byte\": %d, \"byte_order\": \"%s\"}\n", bytes[0],
	       bytes[0] == 4 ? "little" : "big");
	return 0;
}

static int read_number(const char *path)
{
	uint32_t number = 0;
	FILE *file = fopen(path, "rb");

	if (file == NULL || fread(&number, sizeof number, 1, file) != 1) {
		perror(path);
		return 1;
	}
	fclose(file);
	printf("{\"other_reads\": %u}\n", (unsigned)number);
	return 0;
}

int main(int argc, char **argv)
{
	char path[200];

	path_of_this_run(path, sizeof path);
	return argc > 1 && strcmp(argv[1], "read") == 0 ? read_number(path) : write_number(path);
}
