/*
 * Stands between service.c and sem_post(3) (hidden.yaml compiles it with -Dsem_post=lingering_post): after each
 * post it is a while before the program goes on. What it still has to do with a slot that it has given away,
 * it does too late.
 */
#undef sem_post
#include <errno.h>
#include <semaphore.h>
#include <time.h>

int lingering_post(sem_t *semaphore);

int lingering_post(sem_t *semaphore)
{
    const struct timespec while_ = {0, 20000000};
    int result = sem_post(semaphore), error = errno;
    (void)nanosleep(&while_, NULL);
    errno = error;
    return result;
}
