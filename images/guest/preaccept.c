/*
 * preaccept - loaded into the SSH server, where it runs before main(): waits for a connection.
 *
 * Starting dropbear (exec, the dynamic linker, a dozen relocated libraries) is a third of what an
 * emulated processor does for a first connection. So init starts one server in advance, and a
 * machine that is frozen and copied has it waiting here: before main(), which reads the host key
 * and seeds its random numbers only when the copy has an identity of its own.
 *
 * The connection comes from a listening socket, or over a line that the controller opens, a
 * virtio-serial port: that takes no network, of which an emulator would have to translate thousands
 * of blocks before the first byte. A server on a line is told that its peer is this machine.
 *
 * Some habits of the server cost more than all of its cryptography, and are taken from it. Beside
 * getrandom(2) it seeds itself from a dozen statistics in /proc: the kernel's generator, which the
 * controller has fed, will do. It writes to a system log, which nobody in a micro machine keeps. And
 * it has the C library ask for users and groups as if there were directories and caches of them:
 * there is /etc/passwd, no /etc/shadow, and nobody is in a group but his own. Commands that need no
 * shell get none: the controller's do not.
 *
 * Calls nothing but what every C library has; see ld.so(8), LD_PRELOAD.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <shadow.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

/* What init leaves open for us: the listening socket or the line, and a pipe to say that we are
 * here. Its end tells init that the connection is taken, and that the next one is for init itself. */
enum { WAITING_ON = 3, TO_INIT = 4 };

enum { MAX_COMMAND = 1024, MAX_WORDS = 64 };

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+:,./_- "

static bool on_a_line;

static bool is_socket(int fd)
{
	int type;
	socklen_t size = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

/* A port without anybody at its other end is always readable (0 bytes) and hung up: poll(2) would
 * come back at once for ever. Edge-triggered, epoll_wait(2) sleeps until something changes. */
static void wait_for_somebody(int line)
{
	struct pollfd look = {.fd = line, .events = POLLIN, .revents = 0};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = line};
	int changes = epoll_create1(EPOLL_CLOEXEC);

	if (changes == -1 || epoll_ctl(changes, EPOLL_CTL_ADD, line, &event) == -1)
		_exit(127);
	do {
		if (epoll_wait(changes, &event, 1, -1) == -1 && errno != EINTR)
			_exit(127);
	} while (poll(&look, 1, 0) != 1 || (look.revents & POLLHUP) != 0);
	close(changes);
}

static int connection(void)
{
	int accepted;

	if (!is_socket(WAITING_ON)) {
		on_a_line = true;
		wait_for_somebody(WAITING_ON);
		return WAITING_ON;
	}
	do
		accepted = accept(WAITING_ON, NULL, NULL);
	while (accepted == -1 && (errno == EINTR || errno == ECONNABORTED));
	return accepted;
}

__attribute__((constructor)) static void wait_for_connection(void)
{
	const char here = '.';

	if (write(TO_INIT, &here, 1) != 1)
		_exit(127);
	int from = connection();
	if (from == -1 || dup2(from, STDIN_FILENO) == -1 || dup2(from, STDOUT_FILENO) == -1)
		_exit(127);
	if (from != WAITING_ON)
		close(from);
	close(WAITING_ON);
	close(TO_INIT);
}

static int address_of(long call, int fd, struct sockaddr *address, socklen_t *size)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	if (!on_a_line)
		return (int)syscall(call, fd, address, size);
	memcpy(address, &here, *size < sizeof here ? *size : sizeof here);
	*size = sizeof here;
	return 0;
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict size)
{
	return address_of(SYS_getpeername, fd, address, size);
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict size)
{
	return address_of(SYS_getsockname, fd, address, size);
}

static int open_unless_statistics(const char *path, int flags, va_list more)
{
	if (strncmp(path, "/proc/", 6) == 0) {
		errno = ENOENT;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, (flags & O_CREAT) != 0 ? va_arg(more, int) : 0);
}

int open(const char *path, int flags, ...)
{
	va_list more;

	va_start(more, flags);
	int fd = open_unless_statistics(path, flags, more);
	va_end(more);
	return fd;
}

/* What open() is called in a 32-bit program built for large files. The headers that compile this
 * may have it as another word for open(). */
#undef open64
int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
	va_list more;

	va_start(more, flags);
	int fd = open_unless_statistics(path, flags | O_LARGEFILE, more);
	va_end(more);
	return fd;
}

/* The next field of a line of passwd(5); the rest of the line is left. */
static char *field(char **rest)
{
	char *begin = *rest, *end = strpbrk(begin, ":\n");

	*rest = end == NULL ? begin + strlen(begin) : end + 1;
	if (end != NULL)
		*end = '\0';
	return begin;
}

/* The user of this name, or where that is NULL of this id; NULL for an unknown one. */
static struct passwd *find_user(const char *name, uid_t id)
{
	static char users[4096];
	static struct passwd user;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd == -1 ? -1 : read(fd, users, sizeof users - 1);

	if (fd != -1)
		close(fd);
	if (length < 0)
		return NULL;
	users[length] = '\0';
	for (char *rest = users; *rest != '\0';) {
		user.pw_name = field(&rest);
		user.pw_passwd = field(&rest);
		user.pw_uid = (uid_t)strtoul(field(&rest), NULL, 10);
		user.pw_gid = (gid_t)strtoul(field(&rest), NULL, 10);
		user.pw_gecos = field(&rest);
		user.pw_dir = field(&rest);
		user.pw_shell = field(&rest);
		if (name != NULL ? strcmp(user.pw_name, name) == 0 : user.pw_uid == id)
			return &user;
	}
	return NULL;
}

struct passwd *getpwnam(const char *name)
{
	return find_user(name, 0);
}

struct passwd *getpwuid(uid_t id)
{
	return find_user(NULL, id);
}

struct spwd *getspnam(const char *name)
{
	(void)name;
	return NULL;
}

struct group *getgrnam(const char *name)
{
	(void)name;
	return NULL;
}

int initgroups(const char *name, gid_t group)
{
	(void)name;
	return setgroups(1, &group);
}

/* A program by its name, as a shell finds it. Comes back when there is none. */
static void become(char *const words[])
{
	static const char *const folders[] = {"/usr/sbin/", "/usr/bin/"};
	char path[MAX_COMMAND + 16];

	if (strchr(words[0], '/') != NULL) {
		execve(words[0], words, environ);
		return;
	}
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		strcpy(path, folders[i]);
		strcat(path, words[0]);
		execve(path, words, environ);
	}
}

/* Start a command that is nothing but plain words. Comes back when it is more than that, or when its
 * first word is no program (but may be something that a shell has built in). */
static void start_without_shell(const char *command)
{
	char text[MAX_COMMAND], *words[MAX_WORDS + 1], *rest = NULL;
	size_t count = 0;

	if (strlen(command) >= sizeof text || command[strspn(command, PLAIN)] != '\0')
		return;
	strcpy(text, command);
	for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		if (count == MAX_WORDS)
			return;
		if (count > 0 || strcmp(word, "exec") != 0)
			words[count++] = word;
	}
	words[count] = NULL;
	if (count > 0)
		become(words);
}

/* The server's way to a user's shell, with "-c" and the command. */
int execv(const char *path, char *const argv[])
{
	if (argv[0] != NULL && argv[1] != NULL && strcmp(argv[1], "-c") == 0 && argv[2] != NULL)
		start_without_shell(argv[2]);
	return execve(path, argv, environ);
}

void openlog(const char *name, int options, int facility)
{
	(void)name, (void)options, (void)facility;
}

void syslog(int priority, const char *format, ...)
{
	(void)priority, (void)format;
}

/* What the compiler makes of syslog() in a program that is built with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	(void)priority, (void)flag, (void)format;
}
