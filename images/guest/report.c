/*
 * The report on a program that has ended: a line of JSON, then what is kept of its output.
 */
#include "run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

const char *signal_name(int number)
{
	/* Numbers differ between architectures (signal(7)), names do not. */
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
		{SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
		{SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
		{SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
		{SIGXFSZ, "SIGXFSZ"}, {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"},
		{SIGPOLL, "SIGPOLL"}, {SIGPWR, "SIGPWR"},   {SIGSYS, "SIGSYS"},
	};
	static char other[16];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == number)
			return names[i].name;
	snprintf(other, sizeof other, "SIG%d", number);
	return other;
}

/* JSON strings: our own messages only, but they may quote a path. */
static void print_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* The digest of a stream of which a part is not kept; the other side makes it of a whole one. */
static void print_digest(const char *name, struct stream *stream)
{
	char text[DIGEST_TEXT];

	if (stream->total == stream->kept)
		return;
	digest_end(&stream->digest, text);
	printf(", \"%s\": \"%s\"", name, text);
}

static long kills_before = -1;

/* How often the kernel killed a process for want of memory, anywhere on it; -1 if it does not say:
 * proc(5), /proc/vmstat. */
static long out_of_memory_kills(void)
{
	char line[128];
	long found = -1;
	FILE *file = fopen("/proc/vmstat", "re");

	if (file == NULL)
		return -1;
	while (found == -1 && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "oom_kill %ld", &found) != 1)
			found = -1;
	fclose(file);
	return found;
}

void count_out_of_memory_kills(void)
{
	kills_before = out_of_memory_kills();
}

/* Whether memory ran out since the last time somebody was killed, or since we began: "true",
 * "false" or "null". */
static const char *ran_out_of_memory(void)
{
	long before = kills_before, now = out_of_memory_kills();

	kills_before = now;
	if (before == -1 || now == -1)
		return "null";
	return now > before ? "true" : "false";
}

int report(const struct outcome *outcome, struct stream *out, struct stream *err, const char *why)
{
	const struct rusage *usage = &outcome->usage;
	int64_t wall = (int64_t)(outcome->done.tv_sec - outcome->begun.tv_sec) * 1000000 +
		       (outcome->done.tv_nsec - outcome->begun.tv_nsec) / 1000;

	printf("{\"exit\": ");
	if (outcome->ended && WIFEXITED(outcome->status))
		printf("%d, \"signal\": null", WEXITSTATUS(outcome->status));
	else if (outcome->ended && WIFSIGNALED(outcome->status))
		printf("null, \"signal\": \"%s\"", signal_name(WTERMSIG(outcome->status)));
	else
		printf("null, \"signal\": null");
	printf(", \"killed_for\": \"%s\", \"wall_us\": %" PRId64 ", \"user_us\": %" PRIu64
	       ", \"system_us\": %" PRIu64 ", \"max_rss_kib\": %ld, \"minor_faults\": %ld",
	       outcome->killed_for, wall, microseconds(usage->ru_utime), microseconds(usage->ru_stime),
	       (long)usage->ru_maxrss, (long)usage->ru_minflt);
	printf(", \"processor_us\": %" PRIu64, outcome->used);
	printf(", \"start_error\": ");
	print_string(why);
	if (*why != '\0' && outcome->ended && WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == CROWDED)
		printf(", \"crowded\": true");
	if (outcome->ended && WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGKILL)
		printf(", \"out_of_memory\": %s", ran_out_of_memory());
	if (outcome->ended && WIFSIGNALED(outcome->status) &&
	    (WTERMSIG(outcome->status) == SIGXCPU || WTERMSIG(outcome->status) == SIGXFSZ))
		printf(", \"limited\": %s", outcome->limited ? "true" : "false");
	print_digest("stdout_sha256", out);
	print_digest("stderr_sha256", err);
	printf(", \"stdout\": %zu, \"stdout_total\": %" PRIu64 ", \"stderr\": %zu, \"stderr_total\": %" PRIu64
	       "}\n",
	       out->kept, out->total, err->kept, err->total);
	fwrite(out->data, 1, out->kept, stdout);
	fwrite(err->data, 1, err->kept, stdout);
	return fflush(stdout) == 0 ? 0 : 125;
}
