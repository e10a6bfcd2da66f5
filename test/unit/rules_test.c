/*
 * rules_test.c
 *		The rules on their own, without a server, as TAP.
 *
 * Here is what a scenario (test/README.md) cannot say: what stands in a transfer and an outcome,
 * and that of all rules which an operation breaks the first one gives its code.
 */
#include "rules/group.h"
#include "rules/rules.h"
#include "rules/wallet.h"

#include "check.h"
#include "wallets.h"

static void
test_names(void)
{
	RequestKind kind;
	WalletStatus status;

	for (int i = 0; i < KIND_COUNT; i++)
		ok(kind_from_name(kind_name(all_kinds[i]), &kind) && kind == all_kinds[i], "kind %s",
		   kind_name(all_kinds[i]));
	for (int i = 0; i < STATUS_COUNT; i++)
		ok(status_from_name(status_names[i], &status) && (int) status == i, "status %s",
		   status_names[i]);
	ok(!kind_is_known(0) && !kind_is_known(-1) && !kind_is_known((int) KIND_END) &&
	       kind_name((int) KIND_END) == NULL,
	   "no such number");
	ok(!kind_from_name("", &kind) && !kind_from_name("Wallet", &kind) &&
	       !kind_from_name("wallets", &kind),
	   "no such kind");
	ok(!status_from_name("", &status) && !status_from_name("blocked", &status), "no such status");
}

static const Currency eur = {.code = "eur", .minor_digits = 2, .outside_wallet_id = -978};

/* What becomes of one operation in a bank of these wallets. */
static WalletCode
judge(const Operation *operation, const Wallet *wallets, int count)
{
	bank_open(&bank, operation, 1, wallets, count, find_currency);
	return rules_judge(operation, &bank.set, &bank.effects);
}

/* A row of another version, or one that an owner has written, has a kind that no rule knows. */
static void
test_unknown_kind(void)
{
	Operation none = {.source_wallet_id = 1};
	Operation unknown = {.request_id = 7, .kind = (RequestKind) KIND_END};

	ok_code(operation_check(&none, 0), CODE_UNKNOWN_KIND, "no kind");
	ok_code(operation_check(&unknown, 0), CODE_UNKNOWN_KIND, "a kind of another version");
	ok_code(judge(&unknown, NULL, 0), CODE_UNKNOWN_KIND, "a kind without a rule");
	ok(bank.effects.outcome_count == 1, "is refused");
}

/* What no reader of payloads lets through, since a row of the queue may have been written by hand.
 */
static void
test_alone(void)
{
	const Amount ten = {10, 0};
	const struct
	{
		const char *name;
		WalletCode code;
		Operation operation;
	} cases[] = {
	    {"a split outside a group",
	     CODE_UNKNOWN_MEMBER,
	     {.kind = KIND_TRANSACTION, .share_count = 1}},
	    {"a group without parts", CODE_INVALID_LEGS, {.kind = KIND_GROUP}},
	    {"a kind of the journal alone", CODE_UNKNOWN_KIND, {.kind = KIND_SWEEP}},
	    {"an end given twice",
	     CODE_INVALID_EXPIRY,
	     {.kind = KIND_HOLD, .amount = ten, .expires_in = 5, .expires_at = 900}},
	    {"an end beyond all time",
	     CODE_INVALID_EXPIRY,
	     {.kind = KIND_HOLD, .amount = ten, .expires_in = INT64_MAX - 2}},
	    {"a hold by its handshake",
	     CODE_OK,
	     {.kind = KIND_VOID, .amount = ten, .has_handshake = true}},
	    {"max_capture with more decimals",
	     CODE_INVALID_MAX_CAPTURE,
	     {.kind = KIND_HOLD, .amount = ten, .max_capture = {99, 1}}},
	    {"an amount with more decimals",
	     CODE_OK,
	     {.kind = KIND_HOLD, .amount = {99, 1}, .max_capture = ten}},
	};
	const Operation none = {.kind = (RequestKind) KIND_END};
	const Operation read = {.kind = KIND_WALLET_READ};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok_code(operation_check(&cases[i].operation, 100), cases[i].code, cases[i].name);
	ok(operation_transfers_max(&none) == 0, "an unknown kind makes no rows");
	ok(!operation_writes_destination(&read), "a read writes nothing");
}

/* The end of a hold may pass while a group waits: the first leg with such an end is the one that
 * fails. */
static void
test_late_leg(void)
{
	const Amount ten = {10, 0};
	Operation legs[] = {{.kind = KIND_DEPOSIT, .amount = ten, .destination_wallet_id = 1},
	                    {.kind = KIND_HOLD, .amount = ten, .max_capture = ten, .expires_at = 50},
	                    {.kind = KIND_HOLD, .amount = ten, .max_capture = ten, .expires_at = 40}};
	Parts parts = {.leg_count = 3, .legs = legs};
	Operation group = {.request_id = 7, .kind = KIND_GROUP, .parts = &parts};
	Operation hold = legs[1];

	ok_code(operation_check(&group, 39), CODE_OK, "a group in time");
	ok(operation_find_leg(&group, 40, CODE_INVALID_EXPIRY) == 2, "the one leg that is late");
	ok(operation_find_leg(&group, 50, CODE_INVALID_EXPIRY) == 1, "the first of two");
	ok(operation_find_leg(&group, 50, CODE_INVALID_LEGS) == -1, "no leg has another fault");
	ok(operation_find_leg(&hold, 50, CODE_INVALID_EXPIRY) == -1, "what is no group has no leg");
	group.parts = NULL;
	ok(operation_find_leg(&group, 50, CODE_INVALID_LEGS) == -1, "nor has a group without parts");
	group.parts = &parts;
	bank_open(&bank, &legs[0], 1, NULL, 0, find_currency);
	bank.effects.moment = 50;
	ok_code(rules_judge(&group, &bank.set, &bank.effects), CODE_INVALID_EXPIRY, "a late group");
	ok(bank.effects.failed_leg == 2 && bank.effects.outcomes[0].failed_leg == 2, "tells its leg");
}

/* A transfer whose wallets are not there, which nobody but an operator is told. */
static void
test_reversal(void)
{
	Wallet wallet = make_wallet(1, 100, STATUS_ACTIVE, &usd);
	const Operation touching = {.kind = KIND_DEPOSIT, .destination_wallet_id = 1};
	Operation reversal = {.kind = KIND_REVERSAL, .link_id = 5, .amount = AMOUNT_NONE};
	const struct
	{
		const char *name;
		int64_t source, destination, user_id;
		WalletCode code;
	} cases[] = {
	    {"no giver", 1, 7, 0, CODE_TRANSACTION_NOT_FOUND},
	    {"no taker", 7, 1, 0, CODE_TRANSACTION_NOT_FOUND},
	    {"no giver, and no operator", 1, 7, 1, CODE_NOT_OWNER},
	    {"from outside to nowhere", -840, 7, 0, CODE_TRANSACTION_NOT_FOUND},
	    {"from outside", -840, 1, 0, CODE_OK},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		bank_open(&bank, &touching, 1, &wallet, 1, find_currency);
		bank.originals[0] = (Original){
		    .transfer_id = 5,
		    .kind = KIND_TRANSACTION,
		    .source_wallet_id = cases[i].source,
		    .destination_wallet_id = cases[i].destination,
		    .amount = 10,
		};
		working_set_load_originals(&bank.set, 1);
		reversal.user_id = cases[i].user_id;
		ok_code(rules_judge(&reversal, &bank.set, &bank.effects), cases[i].code, cases[i].name);
	}
}

/* Two rows from wallet 1 to wallet 2, whose user may reverse them. */
static void
test_group_reversal(void)
{
	const Wallet wallets[] = {make_wallet(1, 100, STATUS_ACTIVE, &usd),
	                          make_wallet(2, 100, STATUS_ACTIVE, &usd)};
	const Operation touching = {
	    .kind = KIND_TRANSACTION, .source_wallet_id = 1, .destination_wallet_id = 2};
	Operation legs[] = {{.kind = KIND_REVERSAL, .link_id = 5, .amount = AMOUNT_NONE},
	                    {.kind = KIND_REVERSAL, .link_id = 6, .amount = AMOUNT_NONE}};
	Parts parts = {.leg_count = 2, .legs = legs};
	const struct
	{
		const char *name;
		RequestKind kinds[2];
		int64_t reversed[2];
		int64_t user_id;
		bool keep_fees;
		WalletCode code;
		int first; /* leg */
	} cases[] = {
	    {"the rest", {KIND_TRANSACTION, KIND_FEE}, {4, 0}, 2, false, CODE_OK, 0},
	    {"all but the fee", {KIND_FEE, KIND_TRANSACTION}, {0, 4}, 2, true, CODE_OK, 1},
	    {"a fee alone", {KIND_TRANSACTION, KIND_FEE}, {10, 0}, 2, false, CODE_OK, 0},
	    {"one that stays",
	     {KIND_FEE, KIND_TRANSACTION},
	     {0, 10},
	     2,
	     true,
	     CODE_ALREADY_REVERSED,
	     1},
	    {"no owner of it", {KIND_TRANSACTION, KIND_FEE}, {10, 0}, 1, true, CODE_NOT_OWNER, 0},
	    {"fees that stay", {KIND_FEE, KIND_FEE}, {0, 3}, 2, true, CODE_ALREADY_REVERSED, 0},
	    {"a fee and a hold", {KIND_HOLD, KIND_FEE}, {0, 10}, 2, true, CODE_ALREADY_REVERSED, 0},
	    {"holds", {KIND_HOLD, KIND_HOLD}, {0, 0}, 2, false, CODE_NOT_REVERSIBLE, 0},
	    {"no owner of holds", {KIND_HOLD, KIND_HOLD}, {0, 0}, 1, false, CODE_NOT_OWNER, 0},
	    {"a fee and a stranger", {KIND_HOLD, KIND_FEE}, {0, 0}, 1, true, CODE_NOT_OWNER, 0},
	    {"a fee behind a hold", {KIND_HOLD, KIND_FEE}, {0, 0}, 2, false, CODE_OK, 1},
	};
	Operation other = {.kind = KIND_GROUP, .parts = &parts};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Operation group = {.kind = KIND_GROUP_REVERSAL,
		                   .link_id = 5,
		                   .user_id = cases[i].user_id,
		                   .keep_fees = cases[i].keep_fees,
		                   .parts = &parts};

		bank_open(&bank, &touching, 1, wallets, 2, find_currency);
		for (int row = 0; row < 2; row++)
			bank.originals[row] = (Original){
			    .transfer_id = 5 + row,
			    .kind = cases[i].kinds[row],
			    .source_wallet_id = 1,
			    .destination_wallet_id = 2,
			    .amount = 10,
			    .reversed = cases[i].reversed[row],
			};
		working_set_load_originals(&bank.set, 2);
		ok_code(rules_judge(&group, &bank.set, &bank.effects), cases[i].code, cases[i].name);
		ok(group_first_leg(&group, &bank.set) == &legs[cases[i].first], "%s: the first leg",
		   cases[i].name);
	}
	ok(group_first_leg(&other, &bank.set) == &legs[0], "a group's first leg");
	parts.leg_count = 0;
	ok(group_first_leg(&other, &bank.set) == NULL, "no legs");
	other.parts = NULL;
	ok(group_first_leg(&other, &bank.set) == NULL, "no parts");
}

/* How a case differs from a transfer of 1.00 by its owner between two good wallets. */
typedef enum Flaw
{
	NO_AMOUNT = 1 << 0,
	SAME = 1 << 1,
	NO_SOURCE = 1 << 2,
	NO_DESTINATION = 1 << 3,
	STRANGER = 1 << 4,
	CLOSED = 1 << 5,
	FROZEN = 1 << 6,
	OTHER_CURRENCY = 1 << 7,
	DECIMALS = 1 << 8,
	LARGE = 1 << 9,
	POOR = 1 << 10,
	FULL = 1 << 11,
	FLAWS_END = 1 << 12
} Flaw;

static WalletCode
judge_flawed(int flaws)
{
	Wallet source = make_wallet(1, flaws & POOR ? 99 : INT64_MAX,
	                            flaws & FROZEN ? STATUS_FROZEN : STATUS_ACTIVE, &usd);
	Wallet destination =
	    make_wallet(2, flaws & FULL ? INT64_MAX : 0, flaws & CLOSED ? STATUS_CLOSED : STATUS_ACTIVE,
	                flaws & OTHER_CURRENCY ? &eur : &usd);
	Wallet wallets[2];
	int count = 0;
	Operation operation = {
	    .request_id = 7,
	    .kind = KIND_TRANSACTION,
	    .user_id = flaws & STRANGER ? 9 : 1,
	    .source_wallet_id = 1,
	    .destination_wallet_id = flaws & SAME ? 1 : 2,
	    .amount = {100, 2},
	};

	if (!(flaws & NO_SOURCE))
		wallets[count++] = source;
	if (!(flaws & NO_DESTINATION))
		wallets[count++] = destination;
	if (flaws & DECIMALS)
		operation.amount = (Amount){1001, 3};
	if (flaws & NO_AMOUNT)
		operation.amount.digits = 0;
	else if (flaws & LARGE)
		operation.amount = (Amount){INT64_MAX, flaws & DECIMALS ? 3 : 0};
	return judge(&operation, wallets, count);
}

/* Has the operation that was judged last done nothing but give its code as an outcome? */
static bool
is_refused_cleanly(WalletCode code)
{
	for (int i = 0; i < bank.set.wallet_count; i++)
	{
		if (bank.wallets[i].changes != 0 || bank.wallets[i].last_transfer_id != 0)
			return false;
	}
	return bank.effects.transfer_count == 0 && bank.effects.outcome_count == 1 &&
	       bank.outcomes[0].request_id == 7 && bank.outcomes[0].code == code;
}

/*
 * Whatever is wrong together, the refusal is that of the flaw whose rule stands first: all sets of
 * flaws, of which test/scenarios/precedence.scenario has the pairs in words.
 */
static void
test_precedence(void)
{
	static const WalletCode codes[] = {
	    CODE_AMOUNT_NOT_POSITIVE,   CODE_SAME_WALLET,        CODE_SOURCE_NOT_FOUND,
	    CODE_DESTINATION_NOT_FOUND, CODE_NOT_OWNER,          CODE_WALLET_CLOSED,
	    CODE_WALLET_FROZEN,         CODE_CURRENCY_MISMATCH,  CODE_AMOUNT_PRECISION,
	    CODE_AMOUNT_TOO_LARGE,      CODE_INSUFFICIENT_FUNDS, CODE_BALANCE_LIMIT,
	};
	int wrong[LENGTH(codes)] = {0};

	for (int flaws = 1; flaws < FLAWS_END; flaws++)
	{
		int first = __builtin_ctz((unsigned int) flaws);

		if (judge_flawed(flaws) != codes[first] || !is_refused_cleanly(codes[first]))
			wrong[first]++;
	}
	for (int i = 0; i < LENGTH(codes); i++)
	{
		ok(wrong[i] == 0, "before all that comes after it: %s", wallet_codes[codes[i]].name);
		ok(i == 0 || codes[i - 1] < codes[i], "in the order of codes.h: %s",
		   wallet_codes[codes[i]].name);
	}
	ok_code(judge_flawed(0), CODE_OK, "without a flaw");
	ok(bank.transfers[0].amount == 100, "the amount in minor units");
}

static void
test_outside(void)
{
	Wallet own = make_wallet(1, 100, STATUS_ACTIVE, &usd);
	Operation deposit = {
	    .kind = KIND_DEPOSIT, .user_id = 1, .destination_wallet_id = 1, .amount = {100, 2}};
	Operation withdrawal = {
	    .kind = KIND_WITHDRAWAL, .user_id = 0, .source_wallet_id = 1, .amount = {100, 2}};

	ok_code(judge(&deposit, &own, 1), CODE_OK, "deposit");
	ok(bank.transfers[0].source_wallet_id == -840 && bank.transfers[0].source_previous == 0 &&
	       bank.wallets[0].balance == 200,
	   "the outside has the currency's wallet");
	ok_code(judge(&withdrawal, &own, 1), CODE_OK, "a direct call needs no owner");
}

static void
test_new_wallet(void)
{
	Operation operation = {.request_id = 7,
	                       .kind = KIND_WALLET,
	                       .user_id = 3,
	                       .amount = {INT64_MAX, 0},
	                       .currency = "usd"};

	ok_code(judge(&operation, NULL, 0), CODE_AMOUNT_TOO_LARGE, "new wallet");
	ok(is_refused_cleanly(CODE_AMOUNT_TOO_LARGE), "nothing is made of a refusal");

	operation.amount = (Amount){5, 1};
	ok_code(judge(&operation, NULL, 0), CODE_OK, "new wallet");
	ok(bank.set.wallet_count == 1 && bank.wallets[0].user_id == 3 &&
	       bank.wallets[0].balance == 50 && bank.wallets[0].changes != 0,
	   "it has its initial amount in minor units");
	ok(bank.effects.transfer_count == 1 && bank.transfers[0].kind == KIND_DEPOSIT &&
	       bank.transfers[0].source_wallet_id == -840 && bank.transfers[0].request_id == 7,
	   "its money is a deposit");
	ok(bank.effects.outcome_count == 1 && bank.outcomes[0].code == CODE_OK &&
	       bank.outcomes[0].wallet_id == bank.wallets[0].wallet_id,
	   "the outcome names the wallet");
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_WALLET_EXISTS,
	        "a second one for the same user");
	operation.amount.digits = 0;
	ok_code(judge(&operation, NULL, 0), CODE_OK, "new wallet with nothing in it");
	ok(bank.effects.transfer_count == 0, "no money, no deposit");
}

static void
test_read(void)
{
	Wallet wallet = make_wallet(1, 100, STATUS_FROZEN, &usd);
	Operation read = {
	    .request_id = 7, .kind = KIND_WALLET_READ, .user_id = 1, .source_wallet_id = 1};
	Operation deposit = {.kind = KIND_DEPOSIT, .destination_wallet_id = 1, .amount = {1, 2}};

	ok_code(judge(&read, &wallet, 1), CODE_OK, "read");
	ok(bank.outcomes[0].balance == 100 && bank.outcomes[0].status == STATUS_FROZEN &&
	       bank.outcomes[0].wallet_id == 1 && !bank.outcomes[0].sees_changes &&
	       bank.wallets[0].changes == 0,
	   "a read keeps what it saw and changes nothing");

	wallet.status = STATUS_ACTIVE;
	wallet.updated_at = 1000;
	bank_clock = 900;
	bank_open(&bank, &deposit, 1, &wallet, 1, find_currency);
	rules_judge(&deposit, &bank.set, &bank.effects);
	rules_judge(&read, &bank.set, &bank.effects);
	ok(bank.outcomes[0].balance == 101 && bank.outcomes[0].sees_changes &&
	       bank.outcomes[0].updated_at == 1000,
	   "a read sees what came before it");
}

/* A change of a wallet that makes no transfer is stored too: whoever changes marks. */
static void
test_status(void)
{
	static const struct
	{
		WalletStatus from;
		int64_t balance;
		WalletStatus to;
		WalletCode code;
	} cases[] = {
	    {STATUS_ACTIVE, 100, STATUS_FROZEN, CODE_OK},
	    {STATUS_ACTIVE, 100, STATUS_ACTIVE, CODE_OK},
	    {STATUS_ACTIVE, 100, STATUS_CLOSED, CODE_WALLET_NOT_EMPTY},
	};
	Operation touching = {.source_wallet_id = 1};

	for (int i = 0; i < LENGTH(cases); i++)
	{
		Wallet wallet = make_wallet(1, cases[i].balance, cases[i].from, &usd);
		WalletCode code;

		wallet.last_transfer_id = 5;
		wallet.updated_at = 10;
		bank_clock = 20;
		bank_open(&bank, &touching, 1, &wallet, 1, find_currency);
		code = rule_status(1, cases[i].to, &bank.set, &bank.effects);
		effects_settle(&bank.set, &bank.effects);
		ok(code == cases[i].code, "%s to %s: %s", status_names[cases[i].from],
		   status_names[cases[i].to], wallet_codes[cases[i].code].name);
		ok(bank.wallets[0].changes == (code == CODE_OK ? CHANGE_STATUS : 0) &&
		       bank.wallets[0].status == (code == CODE_OK ? cases[i].to : cases[i].from) &&
		       bank.wallets[0].updated_at == (code == CODE_OK ? 20 : 10) &&
		       bank.wallets[0].last_transfer_id == 5,
		   "the wallet is marked when it has changed, and only then");
	}
}

static void
test_move(void)
{
	Wallet wallets[] = {make_wallet(1, 500, STATUS_ACTIVE, &usd),
	                    make_wallet(2, 50, STATUS_ACTIVE, &usd)};
	Operation operation = {.request_id = 77,
	                       .kind = KIND_TRANSACTION,
	                       .user_id = 1,
	                       .source_wallet_id = 1,
	                       .destination_wallet_id = 2,
	                       .amount = {2, 0}};
	const Wallet *source = &bank.wallets[0];
	const Wallet *destination = &bank.wallets[1];
	const Transfer *transfer = &bank.transfers[0];

	wallets[0].last_transfer_id = 3;
	bank_last_transfer_id = 9;
	bank_clock = 1000;
	bank_open(&bank, &operation, 1, wallets, 2, find_currency);
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_OK, "transaction");
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_OK, "another one");
	operation.amount.digits = 200;
	ok_code(rules_judge(&operation, &bank.set, &bank.effects), CODE_INSUFFICIENT_FUNDS,
	        "one that is refused");
	effects_settle(&bank.set, &bank.effects);
	ok(source->balance == 100 && destination->balance == 450, "the money has moved");
	ok(transfer->source_balance == 300 && transfer->destination_balance == 250,
	   "the transfer keeps both balances");
	ok(transfer->transfer_id == 10 && transfer->request_id == 77 &&
	       transfer->kind == KIND_TRANSACTION && transfer->amount == 200 &&
	       transfer->source_wallet_id == 1 && transfer->destination_wallet_id == 2 &&
	       transfer->posted_at == 1000,
	   "the transfer says what happened");
	ok(transfer->source_previous == 3 && transfer->destination_previous == 0,
	   "the transfer continues both chains");
	ok(transfer[1].source_previous == 10 && transfer[1].destination_previous == 10 &&
	       transfer[1].transfer_id == 11 && transfer[1].source_balance == 100,
	   "the next one finds the wallets as that one left them");
	ok(source->last_transfer_id == 11 && destination->last_transfer_id == 11 &&
	       source->updated_at == 1000 && destination->updated_at == 1000 &&
	       source->changes == CHANGE_MONEY && destination->changes == CHANGE_MONEY,
	   "both wallets know their last transfer, and have changed");
	ok(bank_last_transfer_id == 11 && bank.effects.outcome_count == 1,
	   "a transfer is its own outcome; who is refused has one, and no id");
}

/* The table of codes is what others build upon: each name and SQLSTATE once, in one class. */
static void
test_codes(void)
{
	bool unique = true;
	bool ours = true;

	for (int i = 1; i < CODE_COUNT; i++)
	{
		ours = ours && strlen(wallet_codes[i].sqlstate) == 5 &&
		       strncmp(wallet_codes[i].sqlstate, "PW", 2) == 0;
		for (int j = 0; j < i; j++)
			unique = unique && strcmp(wallet_codes[i].name, wallet_codes[j].name) != 0 &&
			         strcmp(wallet_codes[i].sqlstate, wallet_codes[j].sqlstate) != 0;
	}
	ok(unique, "each name and each SQLSTATE stands for one code");
	ok(ours, "each SQLSTATE is of the class PW");
	ok(strcmp(wallet_codes[CODE_OK].name, "processed") == 0, "what is well is processed");
}

int
main(void)
{
	test_names();
	test_unknown_kind();
	test_alone();
	test_late_leg();
	test_reversal();
	test_group_reversal();
	test_precedence();
	test_outside();
	test_new_wallet();
	test_read();
	test_status();
	test_move();
	test_codes();
	return all_checked();
}
