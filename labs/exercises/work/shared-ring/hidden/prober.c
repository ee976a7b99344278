/*
 * Is one side of the ring itself, and lets the other side wait, be full, find strange bytes, or find
 * the name taken.
 *
 * What is right is not known here.
 */
#include "../../support/child.h"
#include "../object.h"
#include "../ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HELD = 40, MANY = 2000, ROOM = 64 * 1024, LOOKS = 3000, SECONDS = 30 };

static struct child producer_by(char *program, char *name)
{
    char *const argv[] = {program, "produce", name, NULL};
    struct child child = start_child(argv, NULL, ROOM);
    hear_a_line(&child, 0);
    return child;
}

static struct child producer_of(char *name)
{
    return producer_by("./service", name);
}

static struct child consumer_by(char *program, char *name)
{
    char *const argv[] = {program, "consume", name, NULL};
    return start_child(argv, NULL, ROOM);
}

static struct child consumer_of(char *name)
{
    return consumer_by("./service", name);
}

/* NULL when there is none of the right size. `flags` as for shm_open. */
static struct ring *ring_of(const char *name, int flags, mode_t *mode)
{
    struct stat about;
    int fd = shm_open(name, flags, 0600);
    if (fd == -1)
        return NULL;
    if ((flags & O_CREAT) && ftruncate(fd, sizeof(struct ring)) == -1)
        die("ftruncate");
    if (fstat(fd, &about) == -1)
        die("fstat");
    if (mode != NULL)
        *mode = about.st_mode & 0777;
    void *ring = MAP_FAILED;
    if (about.st_size >= (off_t)sizeof(struct ring))
        ring = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close_end(&fd);
    return ring == MAP_FAILED ? NULL : ring;
}

static bool wait_bounded(sem_t *semaphore)
{
    struct timespec until;
    if (clock_gettime(CLOCK_REALTIME, &until) == -1)
        die("clock_gettime");
    until.tv_sec += SECONDS;
    while (sem_timedwait(semaphore, &until) == -1)
        if (errno != EINTR)
            return false;
    return true;
}

static int value_of(sem_t *semaphore)
{
    int value = -1;
    return sem_getvalue(semaphore, &value) == -1 ? -1 : value;
}

/* Lines "1\n" to "COUNT\n", in a buffer of enough room; gives their length. */
static size_t numbers(char *text, int count)
{
    size_t length = 0;
    for (int i = 1; i <= count; i++)
        length += (size_t)sprintf(text + length, "%d\n", i);
    return length;
}

/* Takes messages until the stream ends; gives how many were the numbers from 1 on, without a gap. */
static int take_numbers(struct ring *ring, bool *ended)
{
    int right = 0;
    for (unsigned next = 0; *ended == false && wait_bounded(&ring->filled_slots); next = (next + 1) % SLOTS) {
        struct message message = ring->slots[next];
        char expected[16];
        int length = snprintf(expected, sizeof expected, "%d", right + 1);
        (void)sem_post(&ring->free_slots); /* EOVERFLOW: the producer has spoilt its value */
        if (message.length == END_OF_STREAM)
            *ended = true;
        else if (message.length == (uint32_t)length && memcmp(message.text, expected, message.length) == 0)
            right++;
        else
            break;
    }
    return right;
}

/* Until the producer sleeps because nothing is free, or has ended. All of its input must be there. */
static void wait_until_full(struct ring *ring, pid_t pid)
{
    const struct timespec between = {0, 10000000};
    for (int look = 0; look < LOOKS; look++) {
        char state = process_state(pid);
        if (state == 'Z' || state == 'X' || (state == 'S' && value_of(&ring->free_slots) == 0))
            return;
        nanosleep(&between, NULL);
    }
}

static void give_all(struct child *producer, const char *text, size_t length)
{
    tell(producer, text, length);
    close_end(&producer->in);
}

/* Nobody takes anything until the producer waits. Then we do. */
static void hold_producer(void)
{
    static char text[HELD * 8];
    char *name = object_name("held"), octal[16];
    mode_t mode = 0;
    bool over = false;
    int filled = -1, right = -1;
    struct child producer = producer_of(name);
    struct ring *ring = ring_of(name, O_RDWR, &mode);
    give_all(&producer, text, numbers(text, HELD));
    if (ring != NULL) {
        wait_until_full(ring, producer.pid);
        filled = value_of(&ring->filled_slots);
        right = take_numbers(ring, &over);
    }
    snprintf(octal, sizeof octal, "%03o", (unsigned)mode);
    show_text("mode", octal);
    show_number("full_filled", filled);
    show_number("held_right", right);
    show_bool("held_ended", over);
    end_child(&producer);
    remove_object(name);
}

/* The consumer comes when the producer is full or gone. */
static void come_late(const char *key, const char *text, size_t length, size_t shown)
{
    char *name = object_name("late");
    struct child producer = producer_of(name);
    struct ring *ring = ring_of(name, O_RDWR, NULL);
    give_all(&producer, text, length);
    if (ring != NULL)
        wait_until_full(ring, producer.pid);
    struct child consumer = consumer_of(name);
    hear_out(&consumer);
    if (shown > 0)
        show_bytes(key, consumer.out.text, consumer.out.length, shown);
    else
        show_bool(key, consumer.out.length == length && memcmp(consumer.out.text, text, length) == 0);
    end_child(&consumer);
    end_child(&producer);
    remove_object(name);
}

/*
 * Both sides linger after each post. The consumer comes when the producer is full and waits for a slot, or it is
 * there first and waits for a message: whoever posts too early meets one who was waiting for that.
 */
static void linger(const char *key, bool consumer_first)
{
    static char text[HELD * 8];
    char *name = object_name("linger"), program[] = "./lingering";
    size_t length = numbers(text, HELD);
    struct child producer = producer_by(program, name);
    struct ring *ring = ring_of(name, O_RDWR, NULL);
    struct child consumer;
    if (consumer_first) {
        consumer = consumer_by(program, name);
        (void)falls_asleep(consumer.pid);
    }
    give_all(&producer, text, length);
    if (!consumer_first) {
        if (ring != NULL)
            wait_until_full(ring, producer.pid);
        consumer = consumer_by(program, name);
    }
    hear_out(&consumer);
    show_bool(key, consumer.out.length == length && memcmp(consumer.out.text, text, length) == 0);
    end_child(&consumer);
    end_child(&producer);
    remove_object(name);
}

static void put(struct ring *ring, unsigned slot, const char *text, uint32_t length)
{
    ring->slots[slot].length = length;
    if (length <= LONGEST)
        memcpy(ring->slots[slot].text, text, length);
    (void)sem_post(&ring->filled_slots); /* EOVERFLOW: the consumer has spoilt its value */
}

/* A ring of our own: the consumer waits, gets bytes of every kind, and must have removed the name. */
static void be_producer(void)
{
    char longest[LONGEST];
    char *name = object_name("ours");
    memset(longest, 'L', sizeof longest);
    struct ring *ring = ring_of(name, O_RDWR | O_CREAT | O_EXCL, NULL);
    if (ring == NULL)
        die(name);
    if (sem_init(&ring->free_slots, 1, SLOTS) == -1 || sem_init(&ring->filled_slots, 1, 0) == -1)
        die("sem_init");
    struct child consumer = consumer_of(name);
    show_bool("consumer_waits", falls_asleep(consumer.pid));
    put(ring, 0, "first", 5);
    hear_a_line(&consumer, 0);
    show_bytes("at_once", consumer.out.text, consumer.out.length, 100);
    show_bool("name_gone_early", !object_exists(name));
    put(ring, 1, "a\0b", 3);
    put(ring, 2, longest, LONGEST);
    put(ring, 3, "", 0);
    put(ring, 4, "", END_OF_STREAM);
    hear_out(&consumer);
    show_bytes("bytes", consumer.out.text, consumer.out.length, 200);
    show_number("given_back", value_of(&ring->free_slots));
    end_child(&consumer);
    show_text("ours_end", ending(&consumer));
    remove_object(name);
}

/* Somebody else's object has the name already. */
static void be_there_first(void)
{
    char *name = object_name("taken");
    char *const produce[] = {"./service", "produce", name, NULL};
    char mine[] = "not a ring", kept[sizeof mine] = "";
    struct stat about = {0};
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd == -1 || write(fd, mine, sizeof mine) != (ssize_t)sizeof mine)
        die(name);
    struct child producer = run_to_end(produce, "x\n", 2, ROOM);
    bool same = fstat(fd, &about) == 0 && about.st_size == (off_t)sizeof mine &&
                pread(fd, kept, sizeof kept, 0) == (ssize_t)sizeof kept &&
                memcmp(kept, mine, sizeof mine) == 0;
    show_text("taken", ending(&producer));
    show_bool("taken_untouched", same && object_exists(name));
    end_child(&producer);
    close_end(&fd);
    remove_object(name);
    struct child consumer = consumer_of(name);
    hear_out(&consumer);
    show_text("absent", ending(&consumer));
    end_child(&consumer);
}

int main(void)
{
    static char many[MANY * 8];
    char long_line[131];
    protect_tester();
    memset(long_line, 'w', sizeof long_line);
    long_line[sizeof long_line - 1] = '\n';
    hold_producer();
    come_late("many_intact", many, numbers(many, MANY), 0);
    linger("late_consumer", false);
    linger("early_consumer", true);
    come_late("after_the_end", "one\ntwo\nthree", 13, 100);
    come_late("long_line", long_line, sizeof long_line, 200);
    be_producer();
    be_there_first();
    show_end();
    return 0;
}
