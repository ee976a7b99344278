/* Another root for the mount namespace: given, for it differs between machines. */
#ifndef NEWROOT_H
#define NEWROOT_H

#include <stdbool.h>

/*
 * Makes the mount at the working directory the root; the old root is out of reach afterwards. False,
 * and errno, if that fails. The caller is in a mount namespace of its own, where nothing is shared.
 */
bool exchange_root(void);

#endif
