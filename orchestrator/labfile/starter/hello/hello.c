/* Prints what it observes as one JSON object: its checks are in exercise.yaml. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("{\"is_root\": %s, \"pointer_bytes\": %zu}\n", geteuid() == 0 ? "true" : "false",
	       sizeof(void *));
	return 0;
}
