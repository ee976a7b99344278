/*
 * What students see tested: the service makes its FIFO, answers clients one after another, and
 * declines a path where something else is.
 *
 * Man pages: fifo(7), umask(2), stat(2).
 */
#define _GNU_SOURCE
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
    char word[LONGEST], mode[LONGEST], first[LONGEST], second[LONGEST];
    struct source answers = {.fd = make_fifo(MAILBOX, 0600)};
    struct child service = open_desk(DESK, usual_umask, word);
    mode_of(DESK, mode);
    ask(DESK, "mailbox hello\n", &answers, first);
    /* The first client has gone: the service meets the end of file, if it does not take care. */
    ask(DESK, "mailbox Good-bye\n", &answers, second);
    close_desk(&service);
    close_fd(answers.fd);
    print_text("ready", word);
    printf(", ");
    print_text("mode", mode);
    printf(", ");
    print_text("first_answer", first);
    printf(", ");
    print_text("second_answer", second);
}

static void show_file(void)
{
    char word[LONGEST];
    int fd = open(FILE_THERE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, "mine\n", 5) != 5)
        die(FILE_THERE);
    close_fd(fd);
    struct child service = open_desk(FILE_THERE, usual_umask, word);
    close_desk(&service);
    print_text("file_there", word);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    guard();
    remove_all();
    printf("{");
    fflush(stdout); /* nothing buffered that fork() could print twice */
    show_clients();
    printf(", ");
    fflush(stdout);
    show_file();
    printf("}\n");
    remove_all();
    return 0;
}
