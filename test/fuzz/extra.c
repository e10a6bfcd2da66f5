/*
 * extra.c
 *		Fuzzes the reading of the bytes in which a request's rare members are stored.
 *
 * The first byte is the kind of the request, the rest are the bytes.  Whatever they are, reading
 * them ends and stays within them; and what is accepted is what writing makes of it again.
 */
#include "fuzz.h"
#include "rules/extra.h"
#include "rules/fingerprint.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	Operation request = {.kind = all_kinds[take_byte(&input) % KIND_COUNT],
	                     .max_capture = AMOUNT_NONE};
	size_t block_size = 0;
	bool has_size = extra_block_size(input.data, input.size, &block_size);
	void *block = malloc(block_size + 1);
	bool is_read = has_size && extra_unpack(input.data, input.size, &request, block);

	EXPECT(has_size || block_size == 0, "%zu bytes for a block", block_size);
	EXPECT(block_size <= parts_size(LEGS_MAX, LEGS_MAX), "%zu bytes for a block", block_size);
	if (is_read)
	{
		size_t length = extra_pack(&request, NULL);
		uint8_t *again = malloc(length + 1);
		unsigned char *bytes = malloc(operation_bytes_max(&request));

		EXPECT(length == input.size && extra_pack(&request, again) == length &&
		           memcmp(again, input.data, length) == 0,
		       "%zu bytes become %zu others", input.size, length);
		EXPECT(extra_is_empty(&request) == (length == 0), "%zu bytes", length);
		EXPECT(operation_to_bytes(&request, bytes) <= operation_bytes_max(&request), "too long");
		(void) operation_check(&request, 0);
		free(bytes);
		free(again);
	}
	free(block);
	return 0;
}
