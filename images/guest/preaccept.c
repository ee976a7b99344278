/*
 * preaccept - loaded into the SSH server, where it runs before main(): waits for a connection.
 *
 * Starting dropbear (exec, the dynamic linker, a dozen relocated libraries) is a third of what an
 * emulated processor does for a first connection. So init starts one server in advance, and a
 * machine that is frozen and copied has it waiting here: before main(), which reads the host key
 * and seeds its random numbers only when the copy has a personality of its own.
 *
 * Calls nothing but what every C library has; see ld.so(8), LD_PRELOAD.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* What init leaves open for us: the listening socket, and a pipe to say that we are here. Its
 * end tells init that the connection is taken, and that the next one is for init itself. */
enum { LISTENER = 3, TO_INIT = 4 };

__attribute__((constructor)) static void wait_for_connection(void)
{
	const char here = '.';
	int connection;

	if (write(TO_INIT, &here, 1) != 1)
		_exit(127);
	do
		connection = accept(LISTENER, NULL, NULL);
	while (connection == -1 && (errno == EINTR || errno == ECONNABORTED));
	if (connection == -1 || dup2(connection, STDIN_FILENO) == -1 || dup2(connection, STDOUT_FILENO) == -1)
		_exit(127);
	close(connection);
	close(LISTENER);
	close(TO_INIT);
}
