/*
 * invariants.h
 *		What must hold of a bank of the fuzz target post, whatever was asked.
 */
#ifndef WALLET_FUZZ_INVARIANTS_H
#define WALLET_FUZZ_INVARIANTS_H

#include "asked.h"
#include "expected.h"

static Wide
total(const Bank *bank, const Currency *currency)
{
	Wide sum = 0;

	for (int i = 0; i < bank->wallet_count; i++)
		if (bank->wallets[i].currency.outside_wallet_id == currency->outside_wallet_id)
			sum += bank->wallets[i].balance;
	return sum;
}

/* One side of a row: the wallet goes on from where the row before left it. */
static void
check_side(Wallet *wallet, const Transfer *row, Wide change, int64_t balance, int64_t previous)
{
	EXPECT(wallet->balance + change == balance && previous == wallet->last_transfer_id &&
	           row->transfer_id > previous && row->posted_at >= wallet->updated_at,
	       "row %lld", (long long) row->transfer_id);
	wallet->balance = balance;
	wallet->last_transfer_id = row->transfer_id;
	wallet->updated_at = row->posted_at;
}

/* The rows of a step lead from the wallets before it to those after it. */
static void
check_rows(const Bank *before, const Bank *after)
{
	Bank walked = *before;

	for (int i = before->row_count; i < after->row_count; i++)
	{
		const Transfer *row = &after->rows[i];
		bool moves = kind_moves_money(row->kind);

		EXPECT(row->amount > 0 || row->kind == KIND_HOLD_EXTEND, "nothing happened");
		for (int j = 0; j < after->wallet_count; j++)
		{
			Wallet *wallet = &walked.wallets[j];

			if (row->source_wallet_id == after->wallets[j].wallet_id)
				check_side(wallet, row, moves ? -(Wide) row->amount : 0, row->source_balance,
				           row->source_previous);
			else if (moves && row->destination_wallet_id == after->wallets[j].wallet_id)
				check_side(wallet, row, row->amount, row->destination_balance,
				           row->destination_previous);
		}
	}
	for (int j = 0; j < after->wallet_count; j++)
		EXPECT(walked.wallets[j].balance == after->wallets[j].balance &&
		           walked.wallets[j].last_transfer_id == after->wallets[j].last_transfer_id,
		       "wallet %d has changed past the journal", j + 1);
}

/* No money is made: what wallets gain comes from the outside. */
static void
check_money(const Bank *before, const Bank *after)
{
	for (int i = 0; i < CURRENCIES; i++)
	{
		int64_t outside_id = currencies[i].outside_wallet_id;
		Wide change = total(after, &currencies[i]) - total(before, &currencies[i]);

		for (int j = before->row_count; j < after->row_count; j++)
		{
			const Transfer *row = &after->rows[j];

			if (!kind_moves_money(row->kind))
				continue;
			change -= row->source_wallet_id == outside_id ? row->amount : 0;
			change += row->destination_wallet_id == outside_id ? row->amount : 0;
		}
		EXPECT(change == 0, "money was made or lost");
	}
}

static void
check_holds(const Bank *bank)
{
	for (int i = 0; i < bank->wallet_count; i++)
	{
		Wide held = 0;

		for (int j = 0; j < bank->hold_count; j++)
			held += bank->holds[j].source_wallet_id == bank->wallets[i].wallet_id
			            ? bank->holds[j].rest
			            : 0;
		EXPECT(held == bank->wallets[i].held, "wallet %d holds %lld", i + 1,
		       (long long) bank->wallets[i].held);
		EXPECT(bank->wallets[i].balance > INT64_MIN, "a balance out of range");
	}
	for (int i = 0; i < bank->hold_count; i++)
	{
		const Hold *hold = &bank->holds[i];

		EXPECT(hold->rest >= 0 && hold->captured >= 0 && hold->captured <= hold->max_capture &&
		           (hold->rest > 0) == (hold->state == HOLD_OPEN),
		       "hold %lld", (long long) hold->hold_id);
	}
	for (int i = 0; i < bank->row_count; i++)
		EXPECT(bank->reversed[i] >= 0 && bank->reversed[i] <= bank->rows[i].amount,
		       "row %lld is reversed by %lld", (long long) bank->rows[i].transfer_id,
		       (long long) bank->reversed[i]);
}

/* Who has paid or reserved has kept what the wallet must keep. */
static void
check_floor(const Bank *after, const Transfer *row)
{
	bool is_judged = row->kind == KIND_TRANSACTION || row->kind == KIND_FEE ||
	                 row->kind == KIND_WITHDRAWAL || row->kind == KIND_HOLD ||
	                 (row->kind == KIND_HOLD_EXTEND && row->amount > 0) ||
	                 (row->kind == KIND_REVERSAL && !row->overdraw);

	for (int i = 0; is_judged && i < after->wallet_count; i++)
	{
		const Wallet *wallet = &after->wallets[i];

		if (wallet->wallet_id == row->source_wallet_id)
			EXPECT((Wide) wallet->balance - wallet->held >= wallet->floor, "wallet %d is left %lld",
			       i + 1, (long long) wallet->balance);
	}
}

/* The rows of one step; those of a group belong together. */
static void
check_joined(const Step *step, const Bank *before, const Bank *after)
{
	const Transfer *first = NULL;
	int size = 0;
	bool is_group =
	    step->operation.kind == KIND_GROUP || step->operation.kind == KIND_GROUP_REVERSAL;

	for (int i = before->row_count; i < after->row_count; i++)
	{
		const Transfer *row = &after->rows[i];

		if (row->kind == KIND_EXPIRY)
		{
			EXPECT(row->request_id == 0 && row->group_id == 0 && row->link_id > 0, "an expiry");
			continue;
		}
		first = first == NULL ? row : first;
		size++;
		EXPECT(row->request_id == (row == first ? step->operation.request_id : 0), "request %lld",
		       (long long) row->request_id);
		EXPECT(row->group_id == (is_group ? first->transfer_id : 0), "group %lld",
		       (long long) row->group_id);
		if (!is_group)
			check_floor(after, row);
	}
	EXPECT(first == NULL || first->group_size == (is_group ? size : 0), "a group of %d", size);
	EXPECT(step->way != ASK || size <= operation_transfers_max(&step->operation), "%d rows", size);
}

static void
check_step(const Step *step, const Bank *before, const Bank *after, WalletCode code)
{
	EXPECT(code == CODE_OK || before->row_count == after->row_count, "a refusal with rows");
	check_rows(before, after);
	check_money(before, after);
	check_holds(after);
	check_joined(step, before, after);
}

#endif /* WALLET_FUZZ_INVARIANTS_H */
