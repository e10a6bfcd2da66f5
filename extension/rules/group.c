/*
 * group.c
 *		The rules of groups: operations that are carried out all or none.
 *
 * The legs are judged in their order, and each sees what the legs before it did.  When one fails,
 * what the others did is undone; where somebody has set a mark before, the caller undoes it.
 */
#include "rules/group.h"

#include "rules/reversal.h"

/* A leg asks for what it says, for the one who asks for the group. */
static Operation
leg_of(const Operation *group, int number)
{
	Operation leg = group->parts->legs[number];

	leg.request_id = 0;
	leg.user_id = group->user_id;
	leg.may_reverse = group->may_reverse;
	leg.max_amount = group->max_amount;
	return leg;
}

/*
 * Joins the rows from this one on: the first carries the request and the size.  An expiry that a
 * leg has brought about belongs to nobody's request.
 */
static void
join_rows(const Operation *group, Effects *effects, int from)
{
	Transfer *first = NULL;

	for (int i = from; i < effects->transfer_count; i++)
	{
		Transfer *row = &effects->transfers[i];

		if (row->kind == KIND_EXPIRY)
			continue;
		if (first == NULL)
		{
			first = row;
			first->request_id = group->request_id;
		}
		row->group_id = first->transfer_id;
		first->group_size++;
	}
}

/* Says which leg has failed, by its number, too, and takes back what the others did. */
static WalletCode
fail(const Operation *leg, int number, WalletCode code, const EffectsMark *mark, WorkingSet *set,
     Effects *effects)
{
	if (mark != NULL)
		effects_undo(set, effects, mark);
	effects->failed_leg = number + 1;
	effects->failed = leg;
	return code;
}

WalletCode
rule_group(const Operation *group, WorkingSet *set, Effects *effects)
{
	bool is_ours = !set->is_marked;
	EffectsMark mark;
	int from = effects->transfer_count;

	if (is_ours)
		mark = effects_mark(set, effects);
	for (int i = 0; i < group->parts->leg_count; i++)
	{
		Operation leg = leg_of(group, i);
		WalletCode code = effects->carry_out(&leg, set, effects);

		if (code != CODE_OK)
			return fail(&group->parts->legs[i], i, code, is_ours ? &mark : NULL, set, effects);
	}
	if (is_ours)
		effects_keep(set);
	join_rows(group, effects, from);
	return CODE_OK;
}

/*
 * What there is to reverse of a row; an unknown one is judged in its turn.  Where nothing of a
 * group is reversed, the answer tells of the first kind of rows that there is.
 */
typedef enum Remainder
{
	SOMETHING,
	NOTHING_LEFT,
	NOT_THE_FEE,
	NO_TRANSFER, /* a hold's row, or a reversal */
	REMAINDER_COUNT
} Remainder;

static Remainder
remainder_of(const Operation *group, const Original *original)
{
	if (original == NULL)
		return SOMETHING;
	if (!is_reversible(original->kind))
		return NO_TRANSFER;
	if (group->keep_fees && original->kind == KIND_FEE)
		return NOT_THE_FEE;
	return original->reversed >= original->amount ? NOTHING_LEFT : SOMETHING;
}

/* Is there something to reverse at all?  Who may not reverse is not told what is left. */
static WalletCode
check_group(const Operation *group, const WorkingSet *set)
{
	WalletCode answers[REMAINDER_COUNT] = {CODE_OK, CODE_OK, CODE_OK, CODE_OK};
	int which = NOTHING_LEFT;

	if (group->parts == NULL)
		return CODE_TRANSACTION_NOT_FOUND;
	for (int i = 0; i < group->parts->leg_count; i++)
	{
		Operation leg = leg_of(group, i);
		Remainder remainder = remainder_of(group, working_set_original(set, leg.link_id));
		WalletCode code = reversal_check(&leg, set);
		WalletCode *answer = &answers[remainder];

		if (remainder == SOMETHING)
			return CODE_OK;
		if (*answer != CODE_NOT_OWNER)
			*answer = code == CODE_OK ? CODE_ALREADY_REVERSED : code;
	}
	while (which < NO_TRANSFER && answers[which] == CODE_OK)
		which++;
	return answers[which];
}

const Operation *
group_first_leg(const Operation *group, const WorkingSet *set)
{
	const Parts *parts = group->parts;

	if (parts == NULL || parts->leg_count == 0)
		return NULL;
	for (int i = 0; i < parts->leg_count && group->kind == KIND_GROUP_REVERSAL; i++)
	{
		const Operation *leg = &parts->legs[i];
		Remainder remainder = remainder_of(group, working_set_original(set, leg->link_id));

		if (remainder == SOMETHING || remainder == NOTHING_LEFT)
			return leg;
	}
	return &parts->legs[0];
}

WalletCode
rule_group_reversal(const Operation *group, WorkingSet *set, Effects *effects)
{
	bool is_ours = !set->is_marked;
	EffectsMark mark;
	int from = effects->transfer_count;
	int reversals = 0;
	WalletCode code = check_group(group, set);

	if (code != CODE_OK)
		return code;
	if (is_ours)
		mark = effects_mark(set, effects);
	for (int i = 0; i < group->parts->leg_count; i++)
	{
		Operation leg = leg_of(group, i);

		if (remainder_of(group, working_set_original(set, leg.link_id)) != SOMETHING)
			continue;
		code = rule_reversal(&leg, set, effects);
		if (code != CODE_OK)
			return fail(&group->parts->legs[i], reversals, code, is_ours ? &mark : NULL, set,
			            effects);
		reversals++;
	}
	if (is_ours)
		effects_keep(set);
	join_rows(group, effects, from);
	return CODE_OK;
}
