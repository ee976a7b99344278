/*
 * Lets two ./service processes talk by a ring, one message at a time: the next line is given to the
 * producer when the consumer has printed the last one and waits again.
 *
 * What should come out is not known here.
 */
#include "../support/child.h"
#include "object.h"

#include <stdio.h>
#include <string.h>

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
        size_t length = line(round, text, sizeof text), before = consumer->out.length;
        if (!falls_asleep(consumer->pid) || !tell(producer, text, length) || !hear_a_line(consumer, before))
            break;
    }
    return round;
}

int main(void)
{
    char *name = object_name("visible");
    char *const produce[] = {"./service", "produce", name, NULL};
    char *const consume[] = {"./service", "consume", name, NULL};
    protect_tester();
    struct child producer = start_child(produce, NULL, ROOM);
    bool ready = hear_a_line(&producer, 0);
    struct child consumer = start_child(consume, NULL, ROOM);
    int rounds = ready ? talk(&producer, &consumer) : 0;
    if (rounds == ROUNDS) {
        hear_out(&producer);
        hear_out(&consumer);
    }
    show_bytes("said", producer.out.text, producer.out.length, 100);
    show_number("rounds", rounds);
    show_bytes("output", consumer.out.text, consumer.out.length, 1000);
    show_bool("name_gone", !object_exists(name));
    end_child(&producer);
    show_text("producer", ending(&producer));
    end_child(&consumer);
    show_text("consumer", ending(&consumer));
    show_end();
    remove_object(name); /* if the consumer did not */
    return 0;
}
