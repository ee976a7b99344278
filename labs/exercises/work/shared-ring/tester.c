/*
 * Lets two ./service processes talk by a ring, one message at a time: the next line is given to the
 * producer when the consumer has printed the last one and waits again.
 *
 * What should come out is not known here.
 */
#include "asleep.h"
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { ROUNDS = 20, ROOM = 4096 };

/* The lines of the session; one of them is empty. */
static size_t line(int round, char *text, size_t size)
{
    if (round == 5)
        return (size_t)snprintf(text, size, "\n");
    return (size_t)snprintf(text, size, "message %d\n", round);
}

/* Gives how many rounds came to their end. */
static int talk(struct child *producer, struct child *consumer)
{
    char text[64];
    int round = 0;
    for (; round < ROUNDS; round++) {
        size_t length = line(round, text, sizeof text);
        if (!falls_asleep(consumer->pid) || !converse(producer, text, length, SENT) ||
            !converse(consumer, NULL, 0, LINE))
            break;
    }
    return round;
}

int main(void)
{
    char *name = object_name("visible");
    char *const produce[] = {"./service", "produce", name, NULL};
    char *const consume[] = {"./service", "consume", name, NULL};
    harness_begin();
    struct child producer = start(produce, ROOM);
    bool ready = converse(&producer, NULL, 0, LINE);
    struct child consumer = start(consume, ROOM);
    int rounds = ready ? talk(&producer, &consumer) : 0;
    if (rounds == ROUNDS) {
        converse(&producer, NULL, 0, END);
        converse(&consumer, NULL, 0, END);
    }
    printf("{\"said\": ");
    print_json_text(producer.output, producer.length, 100);
    printf(", \"rounds\": %d, \"output\": ", rounds);
    print_json_text(consumer.output, consumer.length, 1000);
    printf(", \"name_gone\": %s, ", object_exists(name) ? "false" : "true");
    finish(&producer);
    printf("\"producer\": \"%s\", ", ending(&producer));
    finish(&consumer);
    printf("\"consumer\": \"%s\"}\n", ending(&consumer));
    shm_unlink(name); /* if the consumer did not */
    return 0;
}
