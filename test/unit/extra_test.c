/*
 * extra_test.c
 *		The bytes that a request's rare members are stored as, the bytes of a fingerprint, and
 *		moments as text; as TAP.  Bytes that are stored never change: they are written out here.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/extra.h"
#include "rules/fingerprint.h"
#include "rules/moment.h"

#include "check.h"

/* Are these the bytes, in hexadecimal digits? */
static bool
is_hex(const unsigned char *bytes, size_t length, const char *hex)
{
	char digit[3];

	if (strlen(hex) != 2 * length)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		snprintf(digit, sizeof(digit), "%02x", bytes[i]);
		if (memcmp(digit, hex + 2 * i, 2) != 0)
			return false;
	}
	return true;
}

/* Packs the request, compares the bytes, and reads them into a request that packs to the same. */
static void
check_pack(const Operation *request, const char *hex, const char *what)
{
	size_t length = extra_pack(request, NULL);
	unsigned char *bytes = malloc(length + 1);
	unsigned char *again = malloc(length + 1);
	Operation read = {.kind = request->kind, .max_capture = AMOUNT_NONE};
	size_t block_size;
	void *block;

	ok(extra_pack(request, bytes) == length && is_hex(bytes, length, hex), "%s: the bytes", what);
	ok(extra_is_empty(request) == (length == 0), "%s: empty or not", what);
	ok(extra_block_size(bytes, length, &block_size), "%s: the size of the legs", what);
	block = malloc(block_size + 1);
	ok(extra_unpack(bytes, length, &read, block) && extra_pack(&read, again) == length &&
	       memcmp(bytes, again, length) == 0,
	   "%s: what is read is what was written", what);
	for (size_t cut = 0; cut < length; cut++)
	{
		read = (Operation){.kind = request->kind};
		if (extra_block_size(bytes, cut, &block_size) && extra_unpack(bytes, cut, &read, block) &&
		    extra_pack(&read, NULL) != cut)
			ok(false, "%s: cut after %zu bytes", what, cut);
	}
	free(block);
	free(again);
	free(bytes);
}

static void
check_group(void)
{
	Parts *parts = parts_init(malloc(parts_size(2, 2)), 2, 2);
	Operation group = {.kind = KIND_GROUP, .parts = parts};

	parts->legs[0] = (Operation){.kind = KIND_CAPTURE, .link_id = 5, .keeps_rest = true};
	parts->legs[1] = (Operation){
	    .kind = KIND_TRANSACTION,
	    .source_wallet_id = 1,
	    .amount = {350, 2},
	    .share_count = 2,
	    .parts = parts,
	};
	parts->shares[0] = (Share){.destination_wallet_id = 2,
	                           .parts_per_million = 300000,
	                           .has_parts = true,
	                           .amount = AMOUNT_NONE};
	parts->shares[1] = (Share){.destination_wallet_id = 3, .is_rest = true, .amount = AMOUNT_NONE};
	check_pack(&group, "4102020408010a04100220022202bc0542020401c0cf240602", "a group");
	free(parts);
}

static void
check_fingerprint(const Operation *request, const char *hex, const char *what)
{
	unsigned char *bytes = malloc(operation_bytes_max(request));
	size_t length = operation_to_bytes(request, bytes);

	ok(is_hex(bytes, length, hex), "%s: the bytes of the fingerprint", what);
	free(bytes);
}

static void
check_moment(const char *text, bool is_one, int64_t expected)
{
	int64_t moment = 0;
	bool found = moment_parse(text, strlen(text), &moment);

	ok(found == is_one && (!is_one || moment == expected), "moment \"%s\"", text);
}

int
main(void)
{
	Operation plain = {
	    .kind = KIND_TRANSACTION,
	    .user_id = 1,
	    .source_wallet_id = 2,
	    .destination_wallet_id = 3,
	    .amount = {777880, 3},
	};
	Operation dated = plain;
	Operation hold = {
	    .kind = KIND_HOLD, .max_capture = {150, 1}, .expires_in = 1000000, .expires_at = -1};
	Operation named = {.kind = KIND_VOID, .has_handshake = true, .hold_handshake = {0xab, 1}};

	dated.valid_until = 849097800000000;
	dated.may_reverse = true;
	dated.max_amount = (Amount){5, 0};
	check_pack(&plain, "", "a plain transfer");
	check_pack(&dated, "060a8088fdcbff8f82030b000a", "a deadline, a right and a limit");
	check_pack(&hold, "0701ac020880897a0901", "a hold");
	check_pack(&named, "40ab01000000000000000000000000000000000000000000000000000000000000",
	           "a handshake");
	check_group();

	/* The same before and after there were other kinds, and whatever is no part of what is asked.
	 */
	check_fingerprint(&plain,
	                  "0002757365725f6964000000000000000001736f757263655f77616c6c65745f6964"
	                  "000000000000000002646573745f77616c6c65745f6964000000000000000003"
	                  "7472616e735f73756d000000000000012fdc02",
	                  "a plain transfer");
	check_fingerprint(&dated,
	                  "0002757365725f6964000000000000000001736f757263655f77616c6c65745f6964"
	                  "000000000000000002646573745f77616c6c65745f6964000000000000000003"
	                  "7472616e735f73756d000000000000012fdc02",
	                  "the same with a deadline");

	check_moment("2000-01-01", true, 0);
	check_moment("2000-03-01T00:00:00Z", true, 5184000000000);
	check_moment("0001-01-01", true, -63082281600000000);
	check_moment("9999-12-31", true, 252455529600000000);
	check_moment("2026-11-27T12:30:00.5+01:00", true, 849094200500000);
	check_moment("2026-11-27 12:30", true, 849097800000000);
	check_moment("20261127T123000Z", true, 849097800000000);
	check_moment("2026-11-27t12z", true, 849096000000000);
	check_moment("2026-11-27T12:00:00-0500", true, 849114000000000);
	check_moment("2026-11-27T24:00:00", true, 849139200000000);
	check_moment("2024-02-29T23:59:60Z", true, 762566400000000);
	check_moment("2026-11-27T12:30:00.1234567Z", true, 849097800123456);
	check_moment("2026-11-27T24:00:01", false, 0);
	check_moment("2026-02-29", false, 0);
	check_moment("2026-13-01", false, 0);
	check_moment("2026-1-1", false, 0);
	check_moment("2026-11-27T", false, 0);
	check_moment("2026-11-27T12:30:00 UTC", false, 0);
	check_moment("2026-11-27T12:30:00.", false, 0);
	check_moment("2026-11-27T12:30:00Zx", false, 0);
	check_moment("2026x", false, 0);
	check_moment("202611", false, 0);
	check_moment("2026-11", false, 0);
	check_moment("2026-11x27", false, 0);
	check_moment("2026-00-10", false, 0);
	check_moment("2026-11-31", false, 0);
	check_moment("2100-02-29", false, 0);
	check_moment("0000-01-01", false, 0);
	check_moment("2026-11-27T1", false, 0);
	check_moment("2026-11-27T25", false, 0);
	check_moment("2026-11-27T12:6", false, 0);
	check_moment("2026-11-27T12:60", false, 0);
	check_moment("2026-11-27T12:30:61", false, 0);
	check_moment("2026-11-27T12:30:5", false, 0);
	check_moment("2026-11-27T123", false, 0);
	check_moment("2026-11-27T1260", false, 0);
	check_moment("2026-11-27T12305", false, 0);
	check_moment("2026-11-27T123061", false, 0);
	check_moment("2026-11-27T123000.x", false, 0);
	check_moment("2026-11-27T12+1", false, 0);
	check_moment("2026-11-27T12+16", false, 0);
	check_moment("2026-11-27T12+01:60", false, 0);
	check_moment("2026-11-27T12+01:6", false, 0);
	check_moment("2026-11-27T12!", false, 0);
	check_moment("2026-11-27T12:30:00.!", false, 0);
	check_moment("2026-11-27T:", false, 0);
	check_moment("-", false, 0);
	check_moment("2000-02-29", true, 5097600000000);
	check_moment("2026-11-27T12:30:00,5", true, 849097800500000);
	check_moment("20261127T1230", true, 849097800000000);
	check_moment("20261127T12+01", true, 849092400000000);
	check_moment("now", false, 0);
	check_moment("", false, 0);
	return all_checked();
}
