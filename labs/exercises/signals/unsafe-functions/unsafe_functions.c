/*
 * Functions that a handler must not call: printf(), and whatever takes a lock.
 *
 * The interrupted moments are real ones, put in by construction: a stream whose write function
 * raises the signal (as if it came during the write(2) in the midst of fflush()), and a
 * logging function that raises it while it holds its lock (as malloc() and printf() hold theirs in
 * a program with threads); and a program that has not yet looked at what gmtime() gave it, which lies in
 * memory that all calls share. The last is the same with every C library. Each trial runs in a child with an alarm: a deadlock ends by SIGALRM.
 * Then the same job with write(2), which a handler may call.
 *
 * Man pages: signal-safety(7), fopencookie(3), pthread_mutex_lock(3p), gmtime(3), write(2), alarm(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SHORT = 1, LONG = 60 }; /* seconds of patience */
enum { INTACT = 0, FAILED = 1, CORRUPTED = 2 };

static const char MAIN_LINE[] = "line of the main program\n";

static FILE *stream;
static bool interrupt_next; /* read and written by the main program only */
static char written[256];
static size_t written_length;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int lines_logged; /* protected by `lock` */
static int notes; /* the handler's end of a pipe */

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(FAILED);
}

static void handle_by(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, NULL) == -1)
        die("sigaction");
}

/* What a stream does with its buffer. The signal comes before the bytes have gone. */
static ssize_t write_out(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    if (interrupt_next) {
        interrupt_next = false;
        raise(SIGUSR1);
    }
    if (size > sizeof written - written_length)
        return 0;
    memcpy(written + written_length, bytes, size);
    written_length += size;
    return (ssize_t)size;
}

static void open_stream(void)
{
    cookie_io_functions_t functions = {.write = write_out};
    stream = fopencookie(NULL, "w", functions);
    if (stream == NULL)
        die("fopencookie");
}

/* The flaw: the main program may be in the midst of the same stream. */
static void print_in_handler(int number)
{
    (void)number;
    fprintf(stream, "HANDLER\n");
}

/* write() is on the list of signal-safety(7), and it may change errno. */
static void write_in_handler(int number)
{
    int saved = errno;
    (void)number;
    if (write(notes, "s", 1) != 1)
        _exit(FAILED);
    errno = saved;
}

static int main_line_is_intact(void)
{
    bool whole = memmem(written, written_length, MAIN_LINE, sizeof MAIN_LINE - 1) != NULL;
    return whole ? INTACT : CORRUPTED;
}

static int print_while_flushing(void)
{
    alarm(LONG);
    open_stream();
    handle_by(print_in_handler);
    fputs(MAIN_LINE, stream);
    interrupt_next = true;
    if (fflush(stream) == EOF)
        die("fflush");
    return main_line_is_intact();
}

/* The handler leaves a note; the main program prints what is to be printed. */
static int note_while_flushing(void)
{
    int ends[2];
    char note;
    alarm(LONG);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        die("pipe2");
    notes = ends[1];
    open_stream();
    handle_by(write_in_handler);
    fputs(MAIN_LINE, stream);
    interrupt_next = true;
    if (fflush(stream) == EOF || read(ends[0], &note, 1) != 1)
        die("taking the note");
    fputs("HANDLER\n", stream);
    if (fclose(stream) == EOF || memmem(written, written_length, "HANDLER", 7) == NULL)
        return CORRUPTED;
    return main_line_is_intact();
}

static void log_line(bool interrupted)
{
    if (pthread_mutex_lock(&lock) != 0)
        die("lock");
    if (interrupted)
        raise(SIGUSR1);
    lines_logged++;
    if (pthread_mutex_unlock(&lock) != 0)
        die("unlock");
}

/* The flaw: it waits for a lock that only the interrupted code could release. */
static void log_in_handler(int number)
{
    (void)number;
    log_line(false);
}

static int log_while_logging(void)
{
    alarm(SHORT);
    handle_by(log_in_handler);
    log_line(true);
    return lines_logged == 2 ? INTACT : CORRUPTED;
}

/* The flaw: the result of gmtime() is in static memory, for all that call it. */
static void tell_time_in_handler(int number)
{
    const time_t other = 0;
    (void)number;
    if (gmtime(&other) == NULL)
        _exit(FAILED);
}

/* The signal comes after the call and before its result is read. */
static int tell_time_while_telling(void)
{
    const time_t year_2000 = 946684800;
    alarm(LONG);
    handle_by(tell_time_in_handler);
    const struct tm *volatile found = gmtime(&year_2000);
    if (found == NULL)
        die("gmtime");
    raise(SIGUSR1);
    return found->tm_year == 100 ? INTACT : CORRUPTED;
}

static const char *fate_of(int (*trial)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == -1)
        die("fork");
    if (pid == 0)
        _exit(trial());
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return "deadlock";
    if (WIFSIGNALED(status))
        return "crashed";
    switch (WEXITSTATUS(status)) {
    case INTACT: return "intact";
    case CORRUPTED: return "corrupted";
    default: return "failed";
    }
}

int main(void)
{
    const char *printed = fate_of(print_while_flushing);
    const char *logged = fate_of(log_while_logging);
    const char *told = fate_of(tell_time_while_telling);
    const char *noted = fate_of(note_while_flushing);
    printf("printing in a handler: %s; taking a lock: %s; gmtime: %s; write: %s\n", printed, logged, told,
           noted);
    printf("{\"printf_in_handler\": \"%s\", \"lock_in_handler\": \"%s\", ", printed, logged);
    printf("\"gmtime_in_handler\": \"%s\", ", told);
    printf("\"write_in_handler\": \"%s\"}\n", noted);
    return 0;
}
