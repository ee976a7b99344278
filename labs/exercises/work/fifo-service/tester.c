/*
 * What students see tested: the service makes its FIFO, answers clients one after another, and
 * declines a path where something else is.
 *
 * Man pages: fifo(7), umask(2), stat(2).
 */
#define _GNU_SOURCE 1
#include "clerk.h"

static char DESK[] = "desk", FILE_THERE[] = "notes.txt";
static const char MAILBOX[] = "mailbox";

static void usual_umask(void)
{
    umask(022);
}

static void remove_all(void)
{
    const char *names[] = {DESK, FILE_THERE, MAILBOX};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlink(names[i]) == -1 && errno != ENOENT)
            die(names[i]);
}

static void show_clients(void)
{
    char word[LINE_ROOM], mode[LINE_ROOM], answer[LINE_ROOM];
    struct source answers = open_mailbox(MAILBOX, 0600);
    struct child service = open_desk(DESK, usual_umask, word);
    answers.group = service.pid;
    mode_of(DESK, mode);
    show_text("ready", word);
    show_text("mode", mode);
    ask(DESK, "mailbox hello\n", &answers, answer);
    show_text("first_answer", answer);
    /* The first client has gone: the service meets the end of file, if it does not take care. */
    ask(DESK, "mailbox Good-bye\n", &answers, answer);
    show_text("second_answer", answer);
    close_desk(&service);
    close_source(&answers);
}

static void show_file(void)
{
    char word[LINE_ROOM];
    int fd = open(FILE_THERE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, "mine\n", 5) != 5)
        die(FILE_THERE);
    close_end(&fd);
    struct child service = open_desk(FILE_THERE, usual_umask, word);
    close_desk(&service);
    show_text("file_there", word);
}

int main(void)
{
    protect_tester();
    remove_all();
    show_clients();
    show_file();
    show_end();
    remove_all();
    return 0;
}
