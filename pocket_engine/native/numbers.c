/* Decimal digits. The libc's own would bind us to its version. */
#include "pocket.h"

char *pocket_write_number(char *to, unsigned value)
{
    char digits[10];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *to++ = digits[--count];
    *to = 0;
    return to;
}

const char *pocket_read_number(const char *text, unsigned *value)
{
    for (*value = 0; *text >= '0' && *text <= '9'; text++)
        *value = *value * 10 + (unsigned)(*text - '0');
    return text;
}
