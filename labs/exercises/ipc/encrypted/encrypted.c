/*
 * Two processes talk, and an observer between them passes everything on: what does encrypting hide?
 *
 * The same two messages are sent in the clear, encrypted only (ChaCha20), encrypted with a tag
 * (ChaCha20-Poly1305), and padded to one length before that. The observer notes what it reads, how
 * long each message is, when it comes and who sent it; it changes one byte on the way; in the end
 * it looks for the key in the memory of the sender, which it recognises by its opening a message.
 *
 * RFC 8439; man pages: unix(7), proc_pid_mem(5), ptrace(2) "Ptrace access mode checking",
 * getrandom(2), PR_SET_DUMPABLE(2const).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aead.h"

enum {
    MOST = 64,          /* bytes of a message with its tag */
    PADDED = 32,        /* bytes of every text, where lengths are to tell nothing */
    THINKING_MS = 200,  /* what the sender does between its messages takes so long */
    MOST_MAPPING = 1024 * 1024,
    MOST_TRIED = 32 * 1024,
    AMOUNT = 4,         /* where the amount begins in the first message */
};

enum way { PLAIN, CIPHER, SEALED, PADDED_SEALED };

static const char *const messages[] = {"pay 0100", "yes"};

/* All that the observer learns of one conversation, and what the receiver told. */
struct seen {
    unsigned char first[MOST];
    size_t size[2];
    bool knows_sender;
    long pause_ms;
    const char *memory; /* what looking for the key gave */
    char received[MOST];
};

static _Alignas(16) unsigned char key[KEY_SIZE]; /* of sender and receiver; the observer's is zero */
static int results[2];                           /* a pipe from the receiver to the observer */

static _Noreturn void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* A nonce must not come twice with one key: the number of the message. */
static void nonce_of(int number, unsigned char nonce[NONCE_SIZE])
{
    memset(nonce, 0, NONCE_SIZE);
    nonce[0] = (unsigned char)number;
}

static size_t pack(enum way way, int number, unsigned char message[MOST])
{
    unsigned char nonce[NONCE_SIZE];
    size_t size = strlen(messages[number]);
    memset(message, 0, MOST);
    memcpy(message, messages[number], size);
    nonce_of(number, nonce);
    if (way == PADDED_SEALED)
        size = PADDED;
    if (way == CIPHER)
        chacha(key, 1, nonce, message, size);
    return way >= SEALED ? seal(key, nonce, message, size) : size;
}

/* What the receiver makes of it: a text, or that it was changed on the way. */
static void unpack(enum way way, int number, unsigned char message[MOST], size_t size, char text[MOST])
{
    unsigned char nonce[NONCE_SIZE];
    nonce_of(number, nonce);
    if (way >= SEALED) {
        bool right = unseal(key, nonce, message, size);
        size = right ? size - TAG_SIZE : 0;
        snprintf(text, MOST, "%s", right ? "" : "refused");
        if (!right)
            return;
    } else if (way == CIPHER) {
        chacha(key, 1, nonce, message, size);
    }
    snprintf(text, MOST, "%.*s", (int)size, (const char *)message);
}

static struct sockaddr_un meeting_point(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "tap"};
    return address;
}

static int meet(void)
{
    struct sockaddr_un address = meeting_point();
    pid_t self = getpid();
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof address) == -1)
        die("connect");
    if (send(fd, &self, sizeof self, 0) != (ssize_t)sizeof self)
        die("send");
    return fd;
}

static size_t take(int fd, void *message, size_t size)
{
    ssize_t got = recv(fd, message, size, 0);
    if (got <= 0)
        die("recv");
    return (size_t)got;
}

static void give(int fd, const void *message, size_t size)
{
    if (send(fd, message, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send");
}

static _Noreturn void be_sender(enum way way, bool undumpable)
{
    unsigned char message[MOST];
    char answer;
    if (undumpable && prctl(PR_SET_DUMPABLE, 0) == -1)
        die("PR_SET_DUMPABLE");
    int fd = meet();
    for (int number = 0; number < 2; number++) {
        if (number > 0)
            usleep(THINKING_MS * 1000);
        give(fd, message, pack(way, number, message));
        take(fd, &answer, 1);
    }
    _exit(0);
}

static _Noreturn void be_receiver(enum way way)
{
    unsigned char message[MOST];
    char text[MOST] = "";
    int fd = meet();
    for (int number = 0; number < 2; number++) {
        size_t size = take(fd, message, sizeof message);
        memset(text, 0, sizeof text);
        unpack(way, number, message, size, text);
        if (number == 0 && write(results[1], text, sizeof text) != (ssize_t)sizeof text)
            die("write");
        give(fd, "k", 1);
    }
    _exit(0);
}

/* The two make a key that their observer never had. The receiver comes first. */
static _Noreturn void be_friends(enum way way, bool undumpable)
{
    char come;
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        die("getrandom");
    pid_t receiver = fork();
    if (receiver == -1)
        die("fork");
    if (receiver == 0)
        be_receiver(way);
    if (read(STDIN_FILENO, &come, 1) != 1) /* the observer has met the receiver */
        die("read");
    be_sender(way, undumpable);
}

/* Whether 32 bytes are the key: then they open what was seen. */
static bool opens(const unsigned char *bytes, const unsigned char *message, size_t size)
{
    unsigned char copy[MOST], nonce[NONCE_SIZE];
    nonce_of(0, nonce);
    memcpy(copy, message, size);
    return unseal(bytes, nonce, copy, size);
}

static bool key_in(int memory, unsigned long start, size_t size, const struct seen *seen, int *tried)
{
    static const unsigned char nothing[KEY_SIZE];
    bool found = false;
    unsigned char *content = malloc(size);
    if (content == NULL)
        die("malloc");
    if (pread(memory, content, size, (off_t)start) != (ssize_t)size)
        size = 0; /* this piece of its memory cannot be read: go on with the next */
    for (size_t at = 0; !found && at + KEY_SIZE <= size && *tried < MOST_TRIED; at += 16) {
        if (memcmp(content + at, nothing, KEY_SIZE) == 0)
            continue;
        (*tried)++;
        found = opens(content + at, seen->first, seen->size[0]);
    }
    free(content);
    return found;
}

static const char *look_for_key(pid_t sender, const struct seen *seen)
{
    char name[64], line[512], kind[8];
    unsigned long start, end;
    bool found = false;
    int tried = 0;

    snprintf(name, sizeof name, "/proc/%d/mem", (int)sender);
    int memory = open(name, O_RDONLY | O_CLOEXEC);
    if (memory == -1)
        return errno == EACCES ? "blocked (EACCES)" : errno == EPERM ? "blocked (EPERM)" : "blocked";
    snprintf(name, sizeof name, "/proc/%d/maps", (int)sender);
    FILE *maps = fopen(name, "re");
    if (maps == NULL) {
        close(memory);
        return "blocked";
    }
    while (!found && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx %7s", &start, &end, kind) == 3 && strcmp(kind, "rw-p") == 0 &&
            strstr(line, "[stack]") == NULL && end - start <= MOST_MAPPING)
            found = key_in(memory, start, end - start, seen, &tried);
    fclose(maps);
    close(memory);
    return found ? "found" : "not found";
}

static int meet_one(int listening, pid_t *says)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1)
        die("accept");
    take(fd, says, sizeof *says);
    return fd;
}

static long now_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
        die("clock_gettime");
    return (long)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Pass both messages on, and note all that can be noted. */
static void relay(int from, int to, pid_t sender, bool change, bool look, struct seen *seen)
{
    unsigned char message[MOST];
    char answer;
    long answered = 0;
    for (int number = 0; number < 2; number++) {
        size_t size = take(from, message, sizeof message);
        seen->size[number] = size;
        if (number == 1)
            seen->pause_ms = now_ms() - answered;
        if (number == 0)
            memcpy(seen->first, message, size);
        if (number == 0 && change)
            message[AMOUNT] ^= '0' ^ '9';
        give(to, message, size);
        take(to, &answer, 1);
        if (number == 0 && look) /* the sender waits for its answer, and has the key */
            seen->memory = look_for_key(sender, seen);
        answered = now_ms();
        give(from, &answer, 1);
    }
}

static struct seen observe(enum way way, bool change, bool undumpable, bool look)
{
    struct seen seen = {.memory = ""};
    struct sockaddr_un address = meeting_point();
    struct ucred peer;
    socklen_t size = sizeof peer;
    pid_t sender, receiver;
    int come[2];

    int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (listening == -1 || bind(listening, (struct sockaddr *)&address, sizeof address) == -1 ||
        listen(listening, 2) == -1)
        die("tap");
    if (pipe2(come, O_CLOEXEC) == -1 || pipe2(results, O_CLOEXEC) == -1)
        die("pipe2");
    pid_t friends = fork();
    if (friends == -1)
        die("fork");
    if (friends == 0) {
        if (dup2(come[0], STDIN_FILENO) == -1)
            die("dup2");
        be_friends(way, undumpable);
    }
    int to = meet_one(listening, &receiver);
    if (write(come[1], "c", 1) != 1)
        die("write");
    int from = meet_one(listening, &sender);
    if (getsockopt(from, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1)
        die("SO_PEERCRED");
    seen.knows_sender = peer.pid == sender && peer.uid == getuid();
    relay(from, to, peer.pid, change, look, &seen);
    if (read(results[0], seen.received, MOST) != MOST)
        die("the receiver");
    while (waitpid(friends, NULL, 0) == -1)
        if (errno != EINTR)
            die("waitpid");
    if (unlink("tap") == -1)
        die("tap");
    const int done[] = {listening, to, from, come[0], come[1], results[0], results[1]};
    for (size_t each = 0; each < sizeof done / sizeof done[0]; each++)
        close(done[each]);
    return seen;
}

static bool contains(const struct seen *seen, const char *text)
{
    return memmem(seen->first, seen->size[0], text, strlen(text)) != NULL;
}

/* RFC 8439: section 2.3.2, and of appendix A.3 the vectors 7 and 9, where a carry is easily lost. */
static bool as_in_the_rfc(void)
{
    static const unsigned char nonce[NONCE_SIZE] = {0, 0, 0, 9, 0, 0, 0, 0x4a};
    static const unsigned char stream[16] = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15,
                                             0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4};
    unsigned char counting[KEY_SIZE], block[CHACHA_BLOCK], two[KEY_SIZE] = {2}, text[16], tag[TAG_SIZE];
    for (int byte = 0; byte < KEY_SIZE; byte++)
        counting[byte] = (unsigned char)byte;
    chacha_block(counting, 1, nonce, block);
    bool right = memcmp(block, stream, sizeof stream) == 0;

    memset(text, 0xff, sizeof text);
    poly1305(two, text, sizeof text, tag);
    static const unsigned char three[TAG_SIZE] = {3};
    right = right && memcmp(tag, three, sizeof three) == 0;

    text[0] = 0xfd;
    poly1305(two, text, sizeof text, tag);
    unsigned char wanted[TAG_SIZE];
    memset(wanted, 0xff, sizeof wanted);
    wanted[0] = 0xfa;
    return right && memcmp(tag, wanted, sizeof wanted) == 0;
}

static void say_bool(const char *name, bool value)
{
    printf("\"%s\": %s, ", name, value ? "true" : "false");
}

static void say_sizes(const char *name, const struct seen *seen)
{
    printf("\"%s\": \"%zu, %zu\", ", name, seen->size[0], seen->size[1]);
}

int main(void)
{
    bool vectors = as_in_the_rfc();
    struct seen plain = observe(PLAIN, false, false, false);
    struct seen changed_cipher = observe(CIPHER, true, false, false);
    struct seen sealed = observe(SEALED, false, false, true);
    struct seen changed_sealed = observe(SEALED, true, false, false);
    struct seen padded = observe(PADDED_SEALED, false, true, true);

    printf("{");
    say_bool("vectors", vectors);
    say_bool("plain_read", contains(&plain, messages[0]));
    say_bool("sealed_read", contains(&sealed, "pay"));
    say_sizes("sizes_plain", &plain);
    say_sizes("sizes_sealed", &sealed);
    say_sizes("sizes_padded", &padded);
    say_bool("pause_seen", padded.pause_ms >= THINKING_MS);
    say_bool("sender_known", padded.knows_sender);
    printf("\"changed_cipher\": \"%s\", ", changed_cipher.received);
    printf("\"unchanged_sealed\": \"%s\", ", sealed.received);
    printf("\"changed_sealed\": \"%s\", ", changed_sealed.received);
    printf("\"key_in_memory\": \"%s\", ", sealed.memory);
    printf("\"key_undumpable\": \"%s\"}\n", padded.memory);
    return vectors ? 0 : 1;
}
