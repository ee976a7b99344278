/*
 * What all mechanisms of communication can do for two processes, one of which is the other's child.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* MESSAGE is a size that every mechanism takes in one piece by default. */
enum { PARENT = 0, CHILD = 1, MESSAGE = 4096 };

/*
 * `open` is called before fork() and says why it cannot (an error number); after it, each process takes
 * its side. `send` takes 1 to MESSAGE bytes; `receive` has room for MESSAGE bytes, and gets as many
 * as were sent. Both wait. `close` is the parent's.
 *
 * `latency` and `throughput` are what its figures are called; NULL where it carries no bytes. A mechanism
 * with a `window` loses what the receiver does not fetch in time, so that after so many messages the
 * sender must wait for an answer.
 */
struct mechanism {
    const char *latency, *throughput;
    int (*open)(void);
    void (*take_side)(int side, pid_t partner);
    void (*send)(const void *data, size_t size);
    void (*receive)(void *data, size_t size);
    void (*close)(void);
    uint32_t window;
};

extern const struct mechanism by_pipe, by_fifo, by_unix_stream, by_unix_datagram, by_tcp, by_udp;
extern const struct mechanism by_posix_queue, by_sysv_queue;
extern const struct mechanism by_shared_memory, by_signal;

#endif
