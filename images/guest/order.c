/*
 * Orders: the arguments that say which program to run and how, from our own command line or, with
 * --serve, from standard input.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An order is more than the kernel passes to a program, so that it is the kernel that refuses. */
enum { DEFAULT_OUTPUT = 64 * 1024, MAX_ORDER = 16 * 1024 * 1024 };

static long number(const char *text, const char *option)
{
	char *end;

	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0)
		die("%s: not a number: %s", option, text);
	return value;
}

static void parse_user(struct order *order, const char *text)
{
	char copy[64];
	char *colon;

	if (strlen(text) >= sizeof copy)
		die("--user: too long");
	strcpy(copy, text);
	colon = strchr(copy, ':');
	if (colon == NULL)
		die("--user: expected UID:GID, got %s", text);
	*colon = '\0';
	order->uid = (uid_t)number(copy, "--user");
	order->gid = (gid_t)number(colon + 1, "--user");
	order->switch_user = true;
}

static size_t count_of(char **words)
{
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	return count;
}

/* An option with a value. Ends the program for one that does not exist. */
static void take_option(struct order *order, const char *option, char *value, size_t *environment)
{
	if (strcmp(option, "--user") == 0)
		parse_user(order, value);
	else if (strcmp(option, "--dir") == 0)
		order->dir = value;
	else if (strcmp(option, "--exec") == 0)
		order->file = value;
	else if (strcmp(option, "--timeout") == 0)
		order->timeout_ms = number(value, option);
	else if (strcmp(option, "--processor") == 0)
		order->processor_ms = number(value, option);
	else if (strcmp(option, "--output") == 0)
		order->output = (size_t)number(value, option);
	else if (strcmp(option, "--stdin") == 0)
		order->input = (size_t)number(value, option);
	else if (strcmp(option, "--env") == 0)
		order->env[(*environment)++] = value;
	else
		die("unknown option %s", option);
}

struct order parse(char **argv)
{
	struct order order = {.timeout_ms = 10000, .output = DEFAULT_OUTPUT};
	size_t environment = 0;
	int i = 1;

	order.env = calloc(count_of(argv) + 1, sizeof *order.env);
	if (order.env == NULL)
		die("no memory for the environment");
	for (; argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--sandbox") == 0) {
			order.sandbox = true;
			continue;
		}
		if (strcmp(argv[i], "--inherit") == 0) {
			order.inherit = true;
			continue;
		}
		if (strcmp(argv[i], "--stand-by") == 0) {
			order.stand_by = true;
			continue;
		}
		if (argv[i + 1] == NULL)
			die("%s: value missing", argv[i]);
		take_option(&order, argv[i], argv[i + 1], &environment);
		i++;
	}
	if (argv[i] == NULL || argv[i + 1] == NULL)
		die("no program given");
	order.argv = argv + i + 1;
	if (order.file == NULL)
		order.file = order.argv[0];
	return order;
}

static bool read_fully(char *buffer, size_t length)
{
	while (length > 0) {
		ssize_t got = read(STDIN_FILENO, buffer, length);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		buffer += got;
		length -= (size_t)got;
	}
	return true;
}

char *next_order(size_t *length, size_t *input)
{
	char line[64];
	size_t used = 0;

	do {
		if (!read_fully(line + used, 1))
			return NULL;
		if (used == sizeof line - 2)
			die("order: first line too long");
	} while (line[used++] != '\n');
	line[used] = '\0';
	if (sscanf(line, "%zu %zu", length, input) != 2 || *length == 0)
		die("order: bad first line");
	if (*length > MAX_ORDER)
		die("order: %zu bytes of arguments, and at most %d are taken", *length, MAX_ORDER);
	char *arguments = malloc(*length);
	if (arguments == NULL)
		die("order: no memory for %zu bytes of arguments", *length);
	if (!read_fully(arguments, *length) || arguments[*length - 1] != '\0')
		die("order: arguments incomplete");
	return arguments;
}

char **words_of(char *name, char *arguments, size_t length)
{
	size_t count = 1, at = 1;

	for (size_t i = 0; i < length; i++)
		count += arguments[i] == '\0';
	char **argv = calloc(count + 1, sizeof *argv);
	if (argv == NULL)
		die("order: no memory for %zu arguments", count);
	argv[0] = name;
	for (char *word = arguments; word < arguments + length; word += strlen(word) + 1)
		argv[at++] = word;
	return argv;
}
