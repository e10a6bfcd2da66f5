/*
 * position.c
 *		How far a server has come in its write-ahead log, as the extension tells it.
 */
#include "base/position.h"

#include <stdlib.h>
#include <string.h>

/*
 * Reads a number that ends in this character, and goes on behind it: at most nine decimal digits
 * or eight hexadecimal ones.
 */
static bool
read_part(const char **text, int base, char end, uint32_t *number)
{
	size_t length = strspn(*text, base == 10 ? "0123456789" : "0123456789ABCDEF");

	if (length == 0 || length > (base == 10 ? 9 : 8) || (*text)[length] != end)
		return false;
	*number = (uint32_t) strtoul(*text, NULL, base);
	*text += length + (end != '\0');
	return true;
}

bool
position_read(const char *text, Position *position)
{
	uint32_t high;
	uint32_t low;

	if (*text == '0' || !read_part(&text, 10, '-', &position->timeline) ||
	    !read_part(&text, 16, '/', &high) || !read_part(&text, 16, '\0', &low))
		return false;
	position->lsn = (uint64_t) high << 32 | low;
	return true;
}

bool
position_covers(const Position *replayed, const Position *position)
{
	if (position->timeline == 0)
		return true;
	return replayed->timeline == position->timeline && replayed->lsn >= position->lsn;
}
