/*
 * The visible tests: is the parser confined before it gets a byte, does it still parse, and what is
 * left of its bug when an input uses it to open a file?
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "trial.h"

static const char SECRET_FILE[] = "secret", SECRET[] = "the secret";

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

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

    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing buffered that fork() could print twice */
    be_opaque();
    make_secret();
    add_record(&input, 'N', "1000");
    add_record(&input, 'T', "plain words");
    add_record(&input, 'N', "234");
    struct trial trial = try_input(&input, input.length, NULL);
    const char *attack = try_attack("open secret", SECRET, NULL);

    printf("{\"ready_first\": %s, ", json_bool(trial.ready_first));
    printf("\"filter_added\": %s, ", json_bool(trial.filter_added));
    printf("\"answer\": \"%s\", ", plain(trial.answer));
    printf("\"ended\": \"%s\", \"open_attack\": \"%s\"}\n", ending(trial.status), attack);
    return 0;
}
