/*
 * The visible tests: is the parser confined before it gets a byte, does it still parse, and what is
 * left of its bug when an input uses it to open a file?
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../support/child.h"
#include "trial.h"

static const char SECRET_FILE[] = "secret", SECRET[] = "the secret";

static void make_secret(void)
{
    int fd = open(SECRET_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd == -1 || write(fd, SECRET, strlen(SECRET)) != (ssize_t)strlen(SECRET))
        die(SECRET_FILE);
    close_end(&fd);
}

int main(void)
{
    static struct input input;

    protect_tester();
    make_secret();
    add_record(&input, 'N', "1000");
    add_record(&input, 'T', "plain words");
    add_record(&input, 'N', "234");
    struct trial trial = try_input(&input, input.length, NULL);
    const char *attack = try_attack("open secret", SECRET, NULL);

    show_bool("ready_first", trial.ready_first);
    show_bool("filter_added", trial.filter_added);
    show_answer("answer", &trial);
    show_text("ended", trial.ended);
    show_text("open_attack", attack);
    show_end();
    return 0;
}
