/* What wire answered: see answer.h. */
#include "answer.h"

#include <string.h>

enum { MOST_SHOWN = 400, PARTED = 3 };

void show_answer(const char *name, const struct child *wire)
{
    char shown[PARTED * MOST_SHOWN];
    const char *said = wire->out.text;
    size_t length = wire->out.length, used = 0;
    if (length > 0 && said[length - 1] == '\n')
        length--;
    for (size_t i = 0; i < length && i < MOST_SHOWN; i++) {
        bool plain = said[i] >= ' ' && said[i] <= '~' && said[i] != '"' && said[i] != '\\';
        if (said[i] == '\n') {
            memcpy(shown + used, " / ", PARTED);
            used += PARTED;
        } else {
            shown[used++] = plain ? said[i] : '!';
        }
    }
    show_bytes(name, shown, used, sizeof shown);
}
