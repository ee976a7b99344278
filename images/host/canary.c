/*
 * canary - a harmless process of the host for attacks to aim at.
 *
 *   canary process|memory|forks
 *   canary segment|queue KEY
 *
 * Reads a secret (one line) from standard input, gets ready and says "ready ADDRESS", where
 * ADDRESS is where the secret lies in its memory. To every further line it answers what has become
 * of it, as one line: signals received, forks that failed, 1 if what it keeps is still there, and
 * the content of what it keeps in hexadecimal. It ends with its standard input, and with its parent.
 *
 * It keeps the secret in its memory, in a System V segment (shmget(2)) or as the one message of a
 * System V queue (msgget(2)). As "forks" it tries all the time to fork within a limit that leaves
 * the others of its user room for ROOM processes: RLIMIT_NPROC, getrlimit(2).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 128, ROOM = 32, FORK_EVERY_MS = 10, MOST_MESSAGES = 64 };

struct message {
	long type;
	char text[SIZE];
};

static char treasure[SIZE];
static volatile sig_atomic_t signals;
static unsigned failed_forks;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void count(int number)
{
	(void)number;
	signals++;
}

/* Every signal that can be caught is counted; KILL and STOP show from outside: signal(7). */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};

	sigfillset(&action.sa_mask);
	for (int number = 1; number < NSIG; number++)
		if (number != SIGCHLD)
			(void)sigaction(number, &action, NULL); /* fails for those that cannot be caught */
}

static int try_to_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid == -1)
		return -1;
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	return 0;
}

/* The lowest limit at which we can fork now, and a little more. */
static void limit_processes(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit) == -1)
		die("getrlimit");
	for (limit.rlim_cur = 1; limit.rlim_cur < limit.rlim_max; limit.rlim_cur += 4) {
		if (setrlimit(RLIMIT_NPROC, &limit) == -1)
			die("setrlimit");
		if (try_to_fork() == 0)
			break;
	}
	limit.rlim_cur += ROOM;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NPROC, &limit) == -1)
		die("setrlimit");
}

/* 1 when the segment of this key is there, with its content in `text`. */
static int read_segment(key_t key, char *text)
{
	int id = shmget(key, 0, 0);
	if (id == -1)
		return 0;
	const char *memory = shmat(id, NULL, SHM_RDONLY);
	if (memory == (const char *)-1)
		return 0;
	memcpy(text, memory, SIZE);
	(void)shmdt(memory);
	return 1;
}

static void make_segment(key_t key)
{
	int id = shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
	char *memory = id == -1 ? NULL : shmat(id, NULL, 0);

	if (memory == NULL || memory == (char *)-1)
		die("shmget");
	memcpy(memory, treasure, SIZE);
	(void)shmdt(memory);
}

/* 1 when the queue of this key is there; the last message that is not the secret, else the secret. */
static int read_queue(key_t key, char *text)
{
	struct message message;
	int id = msgget(key, 0);

	if (id == -1)
		return 0;
	for (int i = 0; i < MOST_MESSAGES; i++) {
		ssize_t got = msgrcv(id, &message, SIZE, 0, IPC_NOWAIT | MSG_NOERROR);
		if (got < 0)
			break;
		if (text[0] == '\0' || memcmp(message.text, treasure, SIZE) != 0)
			memcpy(text, message.text, (size_t)got);
	}
	return 1;
}

static void make_queue(key_t key)
{
	struct message message = {.type = 1};
	int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);

	memcpy(message.text, treasure, SIZE);
	if (id == -1 || msgsnd(id, &message, SIZE, 0) == -1)
		die("msgget");
}

static void tell(const char *role, key_t key)
{
	char text[SIZE] = "";
	int there = 1;

	if (strcmp(role, "segment") == 0)
		there = read_segment(key, text);
	else if (strcmp(role, "queue") == 0)
		there = read_queue(key, text);
	else
		memcpy(text, treasure, SIZE);
	printf("%d %u %d ", (int)signals, failed_forks, there);
	for (size_t i = 0; i < SIZE && text[i] != '\0'; i++)
		printf("%02x", (unsigned)(unsigned char)text[i]);
	puts(".");
}

static void tidy(key_t key)
{
	int id = shmget(key, 0, 0);

	if (id != -1)
		(void)shmctl(id, IPC_RMID, NULL);
	id = msgget(key, 0);
	if (id != -1)
		(void)msgctl(id, IPC_RMID, NULL);
}

/* A line from standard input, without its end. 0 at the end of the input. */
static int next_line(char *line, size_t size)
{
	size_t used = 0;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, line + used, 1);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		if (line[used] == '\n' || used + 1 == size)
			break;
		used++;
	}
	line[used] = '\0';
	return 1;
}

static void serve(const char *role, key_t key)
{
	int forking = strcmp(role, "forks") == 0;
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[SIZE];

	for (;;) {
		int ready = poll(&input, 1, forking ? FORK_EVERY_MS : -1);
		if (forking && try_to_fork() == -1)
			failed_forks++;
		if (ready <= 0)
			continue; /* nothing asked, or a signal */
		if (!next_line(line, sizeof line))
			return;
		tell(role, key);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	const char *role = argv[1];
	key_t key = argc > 2 ? (key_t)strtoul(argv[2], NULL, 0) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || !next_line(treasure, sizeof treasure))
		return 1;
	catch_signals();
	if (strcmp(role, "segment") == 0)
		make_segment(key);
	else if (strcmp(role, "queue") == 0)
		make_queue(key);
	else if (strcmp(role, "forks") == 0)
		limit_processes();
	printf("ready %lx\n", (unsigned long)treasure);
	serve(role, key);
	if (key != 0)
		tidy(key);
	return 0;
}
