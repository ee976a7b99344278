/*
 * The two kinds of message queues. A queue of each for both directions: POSIX queues by name, System V
 * messages by type.
 *
 * Man pages: mq_overview(7), sysvipc(7), msgop(2).
 */
#include "../measure.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "channel.h"

enum { ROOM = 10, NAME_SIZE = 128 }; /* what anybody may have by default: mq_overview(7) */

/* --- POSIX: one for each receiver */
static mqd_t queues[2];
static int mine;

static int posix_queue_for(int side)
{
    struct mq_attr attributes = {.mq_maxmsg = ROOM, .mq_msgsize = MESSAGE};
    const char *tag = getenv("ISOLAB_TAG");
    char name[NAME_SIZE];
    int length = snprintf(name, sizeof name, "/cost-%d-%s", side, tag != NULL ? tag : "by-hand");
    if (length < 0 || length >= (int)sizeof name)
        return ENAMETOOLONG;
    queues[side] = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    if (queues[side] == (mqd_t)-1)
        return errno;
    if (mq_unlink(name) == -1) /* nobody else needs to find it */
        die("mq_unlink");
    return 0;
}

static int open_posix(void)
{
    int error = posix_queue_for(PARENT);
    return error != 0 ? error : posix_queue_for(CHILD);
}

static void take_side(int side, pid_t partner)
{
    (void)partner;
    mine = side;
}

static void send_posix(const void *data, size_t size)
{
    if (mq_send(queues[1 - mine], data, size, 0) == -1)
        die("mq_send");
}

static void receive_posix(void *data, size_t size)
{
    if (mq_receive(queues[mine], data, MESSAGE, NULL) != (ssize_t)size)
        die("mq_receive");
}

static void close_posix(void)
{
    if (mq_close(queues[PARENT]) == -1 || mq_close(queues[CHILD]) == -1)
        die("mq_close");
}

/* --- System V: one queue, and the receiver's side + 1 is the type */
struct letter {
    long type;
    char text[MESSAGE];
};

static int queue;
static struct letter letter;

static int open_sysv(void)
{
    queue = msgget(IPC_PRIVATE, 0600);
    return queue == -1 ? errno : 0;
}

static void close_sysv(void)
{
    if (msgctl(queue, IPC_RMID, NULL) == -1)
        die("msgctl");
}

/* It outlives its processes: whoever fails takes it away first. */
static _Noreturn void give_up(const char *what)
{
    perror(what);
    msgctl(queue, IPC_RMID, NULL);
    _exit(1);
}

static void send_sysv(const void *data, size_t size)
{
    letter.type = 1 - mine + 1;
    memcpy(letter.text, data, size);
    if (msgsnd(queue, &letter, size, 0) == -1)
        give_up("msgsnd");
}

static void receive_sysv(void *data, size_t size)
{
    if (msgrcv(queue, &letter, MESSAGE, mine + 1, 0) != (ssize_t)size)
        give_up("msgrcv");
    memcpy(data, letter.text, size);
}

const struct mechanism by_posix_queue = {.latency = "latency_posix_queue",
                                         .throughput = "throughput_posix_queue",
                                         .open = open_posix,
                                         .take_side = take_side,
                                         .send = send_posix,
                                         .receive = receive_posix,
                                         .close = close_posix};
const struct mechanism by_sysv_queue = {.latency = "latency_sysv_queue",
                                        .throughput = "throughput_sysv_queue",
                                        .open = open_sysv,
                                        .take_side = take_side,
                                        .send = send_sysv,
                                        .receive = receive_sysv,
                                        .close = close_sysv};
