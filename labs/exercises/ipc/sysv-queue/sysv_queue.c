/*
 * A System V message queue: messages have a type, and the receiver says which it wants.
 *
 *   sysv_queue send      leave three messages of types 3, 1 and 2 and end
 *   sysv_queue other     as another user: may she read the queue, of mode 0600?
 *   sysv_queue receive   choose by type; messages too long for the buffer; the queue when it is full
 *
 * Man pages: sysvipc(7), msgget(2), msgop(2), msgctl(2), proc(5).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

enum { TEXT_SIZE = 64, FILLER_SIZE = 1000 };

struct message {
    long type;
    char text[TEXT_SIZE];
};

struct filler {
    long type;
    char bytes[FILLER_SIZE];
};

static key_t key;

/* Whoever fails takes the queue away; for anybody but the owner this is refused. */
static _Noreturn void die(const char *what)
{
    perror(what);
    int id = msgget(key, 0);
    if (id != -1)
        msgctl(id, IPC_RMID, NULL);
    exit(1);
}

static const char *json_bool(bool value)
{
    return value ? "true" : "false";
}

static const char *verdict(int error)
{
    switch (error) {
    case 0: return "allowed";
    case E2BIG: return "blocked (E2BIG)";
    case EACCES: return "blocked (EACCES)";
    case EAGAIN: return "blocked (EAGAIN)";
    case EINVAL: return "blocked (EINVAL)";
    case ENOENT: return "blocked (ENOENT)";
    case ENOMSG: return "blocked (ENOMSG)";
    default: return "blocked (another error)";
    }
}

/* A System V key is only a number: FNV-1a turns the tag into one, never 0 (IPC_PRIVATE). */
static key_t key_of(const char *tag)
{
    uint32_t hash = 2166136261u;
    for (; *tag != '\0'; tag++)
        hash = (hash ^ (unsigned char)*tag) * 16777619u;
    return (key_t)(hash & 0x7fffffffu) + (hash % 0x80000000u == 0);
}

/* What was observed so far: the members of the one JSON object that is printed in the end. */
static char observed[1024];

__attribute__((format(printf, 1, 2))) static void observe(const char *format, ...)
{
    size_t used = strlen(observed);
    va_list values;
    va_start(values, format);
    vsnprintf(observed + used, sizeof observed - used, format, values);
    va_end(values);
}

static long limit(const char *path)
{
    long value;
    FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%ld", &value) != 1)
        die(path);
    fclose(file);
    return value;
}

static void put(int id, long type, const char *text)
{
    struct message message = {.type = type};
    size_t size = strlen(text) + 1;
    memcpy(message.text, text, size);
    if (msgsnd(id, &message, size, IPC_NOWAIT) == -1) /* the size is that of the text alone */
        die("msgsnd");
}

/* The type of the first message that fits `wanted`; a negative errno if there is none. */
static long take(int id, long wanted, int flags)
{
    struct message message;
    if (msgrcv(id, &message, TEXT_SIZE, wanted, IPC_NOWAIT | flags) == -1)
        return -errno;
    printf("asked for %ld: type %ld, \"%s\"\n", wanted, message.type, message.text);
    return message.type;
}

static int find(void)
{
    int id = msgget(key, 0);
    if (id == -1)
        die("msgget");
    return id;
}

static void run_send(void)
{
    /* IPC_EXCL: somebody else's queue under this key must not be taken for ours. */
    int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    if (id == -1)
        die("msgget");
    put(id, 3, "routine");
    put(id, 1, "urgent");
    put(id, 2, "soon");
    printf("three messages are left in the queue\n");
}

static void run_other(void)
{
    struct message message;
    int id = msgget(key, 0);
    int found = id == -1 ? errno : 0;
    int taken = msgrcv(id, &message, TEXT_SIZE, 0, IPC_NOWAIT) == -1 ? errno : 0;
    printf("{\"other_finds\": \"%s\", \"other_receives\": \"%s\"}\n", verdict(found), verdict(taken));
}

/* A buffer of three bytes for a message of six. */
static void show_too_long(int id)
{
    struct message message;
    put(id, 7, "hello");
    int refused = msgrcv(id, &message, 3, 7, IPC_NOWAIT) == -1 ? errno : 0;
    ssize_t cut = msgrcv(id, &message, 3, 7, IPC_NOWAIT | MSG_NOERROR);
    if (cut == -1)
        die("msgrcv");
    long rest = take(id, 7, 0);
    observe("\"small_buffer\": \"%s\", \"cut_to\": %d, \"rest_is_lost\": %s, ", verdict(refused),
           (int)cut, json_bool(rest == -ENOMSG));
}

/* Sends until the kernel says that it is enough; nothing waits here. */
static void show_full(int id, long room)
{
    struct filler filler = {.type = 1};
    long bytes = 0;
    while (msgsnd(id, &filler, FILLER_SIZE, IPC_NOWAIT) == 0)
        bytes += FILLER_SIZE;
    int error = errno;
    printf("%ld of %ld bytes are in the queue\n", bytes, room);
    observe("\"full\": \"%s\", \"filled_to_limit\": %s, ", verdict(error),
           json_bool(bytes <= room && room - bytes < FILLER_SIZE));
}

static void show_too_large(int id, long largest)
{
    struct message *message = calloc(1, sizeof *message + (size_t)largest);
    if (message == NULL)
        die("calloc");
    message->type = 1;
    int error = msgsnd(id, message, (size_t)largest + 1, IPC_NOWAIT) == -1 ? errno : 0;
    message->type = 0;
    int zero = msgsnd(id, message, 1, IPC_NOWAIT) == -1 ? errno : 0;
    free(message);
    observe("\"above_msgmax\": \"%s\", \"type_zero\": \"%s\", ", verdict(error), verdict(zero));
}

static void run_receive(void)
{
    int id = find();
    long lowest = take(id, -2, 0);           /* the lowest type of those up to 2 */
    long not_two = take(id, 2, MSG_EXCEPT);  /* the first that is not of type 2 */
    long missing = take(id, 5, 0);
    put(id, 1, "late");
    long first = take(id, 0, 0);             /* the first, of whatever type */
    long last = take(id, 1, 0);
    show_too_long(id);
    show_too_large(id, limit("/proc/sys/kernel/msgmax"));
    show_full(id, limit("/proc/sys/kernel/msgmnb"));
    if (msgctl(id, IPC_RMID, NULL) == -1)
        die("IPC_RMID");
    int gone = msgget(key, 0) == -1 ? errno : 0;
    printf("{%s\"up_to_2\": %ld, \"except_2\": %ld, \"any\": %ld, \"type_1\": %ld, ", observed, lowest, not_two,
           first, last);
    printf("\"type_5\": \"%s\", \"after_removal\": \"%s\"}\n", verdict(missing < 0 ? (int)-missing : 0),
           verdict(gone));
}

int main(int argc, char *argv[])
{
    const char *tag = getenv("ISOLAB_TAG");
    const char *what = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    key = key_of(tag != NULL ? tag : "by-hand");
    if (strcmp(what, "send") == 0) {
        run_send();
    } else if (strcmp(what, "other") == 0) {
        run_other();
    } else if (strcmp(what, "receive") == 0) {
        run_receive();
    } else {
        fprintf(stderr, "usage: %s send | other | receive\n", argv[0]);
        return 1;
    }
    return 0;
}
