/*
 * A hostile peer: a virtual machine talks to its host through memory that both have (the rings of virtio), and a bell. What
 * the host reads there was written by whoever is in the machine, and may change while it is read.
 *
 *   guest (a child) -- shared memory: a slot for one message -- host's service (another child)
 *                      a socketpair: the bell
 *
 * The socketpair and the shared mapping stand in for a virtio port or vsock, so that both sides can be shown on every machine. The
 * service has room for 64 bytes, at the end of a page: what goes beyond ends it. A message has the length of what was
 * sent, and in it the length of what is to be echoed.
 *
 * Man pages: mmap(2), mprotect(2), socketpair(2), vsock(7).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../attack.h"

enum { ROOM = 64, SLOT = 256, HEADER = 1, SECRET_LENGTH = 15, SHORT = 8 };
/* How the service looks at lengths. */
enum care { TRUSTING, ADDING, LOOKING_TWICE, CAREFUL };
enum attack { HONEST, TOO_LONG, WRAPPED, CHANGED, ASKS_FOR_MORE };

/* In shared memory: never believed twice. */
struct slot {
    volatile uint32_t length;
    volatile uint8_t data[SLOT];   /* data[0] is how much to echo */
    volatile uint32_t echo_length; /* the service's answer */
    volatile uint8_t echo[SLOT];
};

static const char SECRET[] = "the host's key";
static struct slot *slot;

static void *map(size_t length, int flags)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

/* --- The host's service ------------------------------------------------------------------------------------------ */

/* The service's memory: a message's room, and behind it what else it has; then a page that nobody may touch. */
static uint8_t *make_room(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = map(2 * page, MAP_PRIVATE);
    if (mprotect(pages + page, page, PROT_NONE) == -1)
        die("mprotect");
    uint8_t *room = pages + page - ROOM;
    memcpy(room + ROOM - SECRET_LENGTH, SECRET, SECRET_LENGTH);
    return room;
}

static void take_message(uint8_t *room, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        room[i] = slot->data[i];
}

static void wait_for_bell(int bell)
{
    if (!hear(bell))
        die("the bell");
}

/* False if the message is refused. */
static bool serve(enum care care, int bell)
{
    uint8_t *room = make_room();
    wait_for_bell(bell); /* there is a message */
    uint32_t length = slot->length;
    tell(bell); /* its length was seen */
    wait_for_bell(bell); /* the rest is there: meanwhile the guest could do what it likes */
    switch (care) {
    case TRUSTING:
        take_message(room, length);
        break;
    case ADDING:
        if (length + HEADER > ROOM - SECRET_LENGTH) /* 32 bits: the sum may be 0 */
            return false;
        take_message(room, length);
        break;
    case LOOKING_TWICE:
        if (length > ROOM - SECRET_LENGTH)
            return false;
        take_message(room, slot->length);
        break;
    case CAREFUL:
        if (length < HEADER || length > ROOM - SECRET_LENGTH)
            return false;
        take_message(room, length);
        if (room[0] > length - HEADER)
            return false;
        break;
    }
    slot->echo_length = room[0];
    for (uint32_t i = 0; i < room[0]; i++)
        slot->echo[i] = room[HEADER + i];
    return true;
}

/* --- The guest --------------------------------------------------------------------------------------------------- */

static void be_guest(enum attack attack, int bell)
{
    static const uint32_t LENGTHS[] = {
        [HONEST] = HEADER + SHORT, [TOO_LONG] = SLOT, [WRAPPED] = UINT32_MAX, [CHANGED] = HEADER + SHORT,
        [ASKS_FOR_MORE] = HEADER + SHORT};
    slot->data[0] = attack == ASKS_FOR_MORE ? ROOM - HEADER : SHORT;
    for (int i = 0; i < SHORT; i++)
        slot->data[HEADER + i] = 'h';
    slot->length = LENGTHS[attack];
    tell(bell); /* here is a message */
    if (!hear(bell))
        die("the service");
    if (attack == CHANGED)
        slot->length = SLOT; /* the service has seen the other length */
    tell(bell);
}

/* In the answer, from the outside's point of view: what the guest can read there. */
static const char *answer(void)
{
    char echo[SLOT + 1] = {0};
    for (uint32_t i = 0; i < slot->echo_length && i < SLOT; i++)
        echo[i] = slot->echo[i] == '\0' ? '.' : (char)slot->echo[i];
    return strstr(echo, SECRET) != NULL ? "the host's memory" : "answered";
}

static const char *try(enum attack attack, enum care care)
{
    int bell[2];
    memset((void *)slot, 0, sizeof *slot);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bell) == -1)
        die("socketpair");
    pid_t guest = start_child();
    if (guest == 0) {
        close(bell[0]);
        be_guest(attack, bell[1]);
        _exit(0);
    }
    close(bell[1]);
    pid_t service = start_child();
    if (service == 0) {
        _exit(serve(care, bell[0]) ? 0 : 2);
    }
    close(bell[0]);
    int guest_status = wait_for(guest), status = wait_for(service);
    if (guest_status != 0)
        die("the guest");
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS ? "the service is ended" : "another signal";
    return WEXITSTATUS(status) == 2 ? "refused" : WEXITSTATUS(status) == 0 ? answer() : "the service failed";
}

/* How many devices of the kind this machine's kernel has to talk to its host. */
static int virtio_devices(void)
{
    int count = 0;
    DIR *folder = opendir("/sys/bus/virtio/devices");
    if (folder == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    if (closedir(folder) == -1)
        die("closedir");
    return count;
}

int main(void)
{
    slot = map(sizeof *slot, MAP_SHARED);
    const char *honest = try(HONEST, TRUSTING), *honest_careful = try(HONEST, CAREFUL);
    const char *long_trusting = try(TOO_LONG, TRUSTING), *long_careful = try(TOO_LONG, CAREFUL);
    const char *wrapped_adding = try(WRAPPED, ADDING), *wrapped_careful = try(WRAPPED, CAREFUL);
    const char *changed_twice = try(CHANGED, LOOKING_TWICE), *changed_careful = try(CHANGED, CAREFUL);
    const char *more_trusting = try(ASKS_FOR_MORE, TRUSTING), *more_careful = try(ASKS_FOR_MORE, CAREFUL);
    printf("{\"honest\": \"%s\", \"honest_careful\": \"%s\", ", honest, honest_careful);
    printf("\"long\": \"%s\", \"long_careful\": \"%s\", ", long_trusting, long_careful);
    printf("\"wrapped\": \"%s\", \"wrapped_careful\": \"%s\", ", wrapped_adding, wrapped_careful);
    printf("\"changed\": \"%s\", \"changed_careful\": \"%s\", ", changed_twice, changed_careful);
    printf("\"more\": \"%s\", \"more_careful\": \"%s\", ", more_trusting, more_careful);
    printf("\"virtio_devices\": %d}\n", virtio_devices());
    return 0;
}
