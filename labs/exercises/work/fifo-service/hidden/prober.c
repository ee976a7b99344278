/*
 * Hidden tests of the FIFO service. Two users take turns in one folder:
 *
 *   prober prepare   as the service's user: a folder that anybody may write to
 *   prober plant     as another user: FIFOs of that user's in it
 *   prober test      as the service's user: paths and requests that an attacker would choose
 *   prober knock     as another user: try to open the FIFO that the service made
 *
 * Whether a bad request was answered is looked up after a good one was: requests are served in order.
 *
 * Man pages: fifo(7), umask(2), symlink(2), open(2).
 */
#define _GNU_SOURCE 1
#include "../clerk.h"

static const char FOLDER[] = "meeting", STRANGE_DESK[] = "meeting/desk", STRANGE_EAR[] = "meeting/ear";
static char DESK[] = "desk", NARROW[] = "narrow", TARGET[] = "target", OPEN[] = "open", LINK[] = "link",
            DANGLING[] = "dangling", FILE_THERE[] = "file";
static const char MAILBOX[] = "mailbox", VICTIM[] = "victim", BESIDE[] = "beside", DEAF[] = "deaf",
                  FULL[] = "full", TEXT[] = "precious\n";

static void make_public_fifo(const char *path)
{
    if (mkfifo(path, 0600) == -1 || chmod(path, 0666) == -1)
        die(path);
}

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, TEXT, strlen(TEXT)) != (ssize_t)strlen(TEXT))
        die(path);
    close_end(&fd);
}

static void show_file(const char *name, const char *path)
{
    char text[LINE_ROOM];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof text - 1);
    if (n == -1)
        die(path);
    close_end(&fd);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    show_text(name, text);
}

static void mask_nothing(void)
{
    umask(0);
}

static void mask_everything(void)
{
    umask(0777);
}

/* Starts the service at `path` and ends it again. */
static void try_path(const char *name, char *path)
{
    char word[LINE_ROOM];
    struct child service = open_desk(path, mask_nothing, word);
    close_desk(&service);
    show_text(name, word);
}

static void try_masks(void)
{
    char word[LINE_ROOM], mode[LINE_ROOM];
    struct child service = open_desk(NARROW, mask_everything, word);
    mode_of(NARROW, mode);
    close_desk(&service);
    show_text("mode_under_umask_0777", mode);
    try_path("own_fifo_there", NARROW);
}

static void try_paths(void)
{
    char mode[LINE_ROOM];
    if (mkfifo(TARGET, 0600) == -1 || chmod(TARGET, 0600) == -1 || symlink(TARGET, LINK) == -1 ||
        symlink("not-there", DANGLING) == -1)
        die("preparing links");
    make_public_fifo(OPEN);
    write_file(FILE_THERE);
    try_path("public_fifo_there", OPEN);
    try_path("link_there", LINK);
    try_path("dangling_link_there", DANGLING);
    mode_of("not-there", mode);
    show_text("end_of_dangling_link", mode);
    try_path("file_there_too", FILE_THERE);
    show_file("file_there_holds", FILE_THERE);
    try_path("folder_there", (char *)FOLDER);
    try_path("fifo_of_another_there", (char *)STRANGE_DESK);
}

/* What has come in without our waiting for it. */
static void show_unread(const char *name, int fd)
{
    char text[LINE_ROOM];
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n == -1 && errno != EAGAIN)
        die("read");
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    show_text(name, n > 0 ? text : "nothing");
}

static void say_and_show(const char *name, struct source *answers, const char *request)
{
    char answer[LINE_ROOM];
    ask(DESK, request, answers, answer);
    show_text(name, answer);
}

static void try_requests(struct source *answers)
{
    char line[2 * LINE_ROOM], answer[LINE_ROOM];
    say_and_show("two_at_once", answers, "mailbox one\nmailbox two\n");
    if (!hear_line(answers, answer))
        snprintf(answer, sizeof answer, "nothing");
    show_text("second_of_two", answer);
    (void)say(DESK, "mailbox hal"); /* if nobody is there, the next line shows it */
    say_and_show("in_two_parts", answers, "ves\n");
    memset(line, 'x', sizeof line);
    memcpy(line, "mailbox ", 8);
    strcpy(line + LINE_ROOM + 50, "\n");
    (void)say(DESK, line);
    say_and_show("after_too_long", answers, "mailbox short\n");
    say_and_show("after_nonsense", answers, "\n \nmailbox\nmailbox \n word\n/ x\nmailbox sense\n");
}

/* Pipes are filled in whole pages, so by bytes of one at a time there is no room in the end. */
static int make_full_fifo(void)
{
    char block[4096];
    int fd = make_fifo(FULL, 0600);
    memset(block, '.', sizeof block);
    for (size_t size = sizeof block; size > 0; size = size > 1 ? size / 2 : 0)
        while (write(fd, block, size) > 0)
            continue;
    if (errno != EAGAIN)
        die(FULL);
    return fd;
}

static void try_replies(struct source *answers)
{
    int beside = make_fifo(BESIDE, 0600), ear = open_both_ways(STRANGE_EAR), full = make_full_fifo();
    write_file(VICTIM);
    if (symlink(BESIDE, "beside-link") == -1 || mkfifo(DEAF, 0600) == -1)
        die("preparing replies");
    say_and_show("after_file", answers, "victim gone\nmailbox still\n");
    show_file("file_holds", VICTIM);
    say_and_show("after_new_name", answers, "new-name x\nmailbox here\n");
    show_text("new_name_made", access("new-name", F_OK) == 0 ? "yes" : "no");
    say_and_show("after_link", answers, "beside-link led\nmailbox and\n");
    show_unread("heard_through_link", beside);
    say_and_show("after_another_users", answers, "meeting/ear secret\nmailbox not\n");
    show_unread("heard_by_another_user", ear);
    say_and_show("after_deaf", answers, "deaf x\nmailbox deaf\n");
    say_and_show("after_full", answers, "full x\nmailbox full\n");
    close_end(&beside);
    close_end(&ear);
    close_end(&full);
}

static void test(void)
{
    char word[LINE_ROOM], mode[LINE_ROOM];
    struct source answers = open_mailbox(MAILBOX, 0600);
    try_masks();
    try_paths();
    struct child service = open_desk(DESK, mask_nothing, word);
    if (service.reaped)
        return; /* nothing further to observe */
    answers.group = service.pid;
    mode_of(DESK, mode);
    show_text("mode_under_umask_0", mode);
    try_requests(&answers);
    try_replies(&answers);
    close_desk(&service); /* killed, so that the FIFO stays */
    close_source(&answers);
}

static const char *tried(const char *path, int access)
{
    int fd = open(path, access | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return errno == EACCES ? "EACCES" : strerror(errno);
    close_end(&fd);
    return "allowed";
}

static void knock(void)
{
    show_text("another_user_listens", tried(DESK, O_RDONLY));
    show_text("another_user_asks", tried(DESK, O_RDWR));
}

static void plant(void)
{
    make_public_fifo(STRANGE_DESK);
    make_public_fifo(STRANGE_EAR);
}

static void prepare(void)
{
    if (mkdir(FOLDER, 0700) == -1 || chmod(FOLDER, 0777) == -1)
        die(FOLDER);
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";
    protect_tester();
    if (strcmp(what, "prepare") == 0)
        prepare();
    else if (strcmp(what, "plant") == 0)
        plant();
    else if (strcmp(what, "test") == 0)
        test();
    else if (strcmp(what, "knock") == 0)
        knock();
    else
        return 2;
    show_end();
    return 0;
}
