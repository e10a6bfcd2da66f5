/*
 * payload.c
 *		Reads the JSON of a request into a Request.
 *
 * A payload is one object, whose members are values (values.c).  A group has an array of legs,
 * which are objects, too, and a leg may have an array of shares.  Whatever else a payload nests is
 * skipped (json.c).  Escapes in strings are not resolved: no member name needs one.
 */
#ifndef FRONTEND
#include "postgres.h"
#else
#include "postgres_fe.h"
#endif

#include "queue/payload.h"

#include "queue/json.h"
#include "queue/values.h"

/* Long enough for "legs[2147483647].split[2147483647]." */
#define PATH_SIZE 48

/* An object that is being read. */
typedef struct Object
{
	RequestKind kind;
	bool is_leg;
	bool may_lack_user;
	Operation *operation;
	char path[PATH_SIZE];
	bool has_kind;               /* of a leg: the member kind has been met */
	bool seen[KIND_MEMBERS_MAX]; /* by the place of the member in its kind's list */
} Object;

StaticAssertDecl(lengthof(((Object *) 0)->seen) >= KIND_MEMBERS_MAX,
                 "there is room for the kind with the most members");

static Place
place_of(const char *path, const char *name)
{
	return (Place){path, name, (int) strlen(name)};
}

/* ---- The shares of a split ---- */

/* A share that is being read. */
typedef struct ShareObject
{
	Share share;
	char path[PATH_SIZE];
	bool seen[4];
} ShareObject;

static const struct
{
	const char *name;
	MemberType type; /* TYPE_COUNT: parts_per_million */
	size_t offset;
} share_members[] = {
    {"dest_wallet_id", TYPE_ID, offsetof(Share, destination_wallet_id)},
    {"amount", TYPE_AMOUNT, offsetof(Share, amount)},
    {"parts_per_million", TYPE_COUNT, offsetof(Share, parts_per_million)},
    {"rest", TYPE_FLAG, offsetof(Share, is_rest)},
};

StaticAssertDecl(lengthof(share_members) == lengthof(((ShareObject *) 0)->seen),
                 "each member of a share is met once");

/* Reads a value of one token by its reader. */
static bool
read_by(Parser *parser, ValueReader *reader, const Place *place, void *member)
{
	JsonTokenType token = next_token(parser);

	if (token == JSON_TOKEN_OBJECT_START || token == JSON_TOKEN_ARRAY_START)
	{
		/* The reader complains of a type that it does not know, and the value is skipped. */
		reader(parser, place, member, token);
		return skip_value(parser, token);
	}
	if (!begins_value(token))
		return complain_json(parser);
	reader(parser, place, member, token);
	return true;
}

static bool
has_name(const Place *place, const char *name)
{
	return *name == *place->name && strlen(name) == (size_t) place->length &&
	       memcmp(name, place->name, place->length) == 0;
}

static bool
read_share_member(Parser *parser, void *object, const Place *place)
{
	ShareObject *share = object;

	for (int i = 0; i < lengthof(share_members); i++)
	{
		if (!has_name(place, share_members[i].name))
			continue;
		if (share->seen[i])
			return refuse_value(parser, next_token(parser), CODE_DUPLICATE_MEMBER, place,
			                    "must be given only once");
		share->seen[i] = true;
		if (share_members[i].type == TYPE_COUNT)
			share->share.has_parts = true;
		return read_by(parser,
		               share_members[i].type == TYPE_COUNT ? read_parts_per_million
		                                                   : value_readers[share_members[i].type],
		               place, (char *) &share->share + share_members[i].offset);
	}
	return refuse_value(parser, next_token(parser), CODE_UNKNOWN_MEMBER, place, "is not known");
}

/* A share of the leg that owns the split. */
static bool
read_share(Parser *parser, void *owner, int number, JsonTokenType token)
{
	const Object *leg = owner;
	Draft *draft = parser->draft;
	ShareObject share = {.share = {.amount = AMOUNT_NONE}};
	char name[PATH_SIZE];
	Place place;

	snprintf(name, sizeof(name), "split[%d]", number);
	place = place_of(leg->path, name);
	if (token != JSON_TOKEN_OBJECT_START)
		return refuse_value(parser, token, CODE_WRONG_TYPE, &place, "must be an object");
	snprintf(share.path, sizeof(share.path), "%s%s.", leg->path, name);
	if (!read_members(parser, read_share_member, &share, share.path))
		return false;
	if (!share.seen[0])
	{
		place = place_of(share.path, share_members[0].name);
		complain(parser, CODE_MISSING_MEMBER, &place, "is missing");
	}
	if (draft->share_count < LEGS_MAX)
		draft->shares[draft->share_count] = share.share;
	draft->share_count++;
	return true;
}

static bool
read_split(Parser *parser, Object *leg, const Place *place)
{
	JsonTokenType token = next_token(parser);
	int first = parser->draft->share_count;

	if (token != JSON_TOKEN_ARRAY_START)
		return refuse_value(parser, token, CODE_WRONG_TYPE, place, "must be an array of objects");
	if (!read_elements(parser, read_share, leg, &leg->operation->share_count))
		return false;
	leg->operation->share_first = first;
	if (leg->operation->share_count == 0)
		complain(parser, CODE_INVALID_SPLIT, place, "must have a share");
	return true;
}

/* ---- The members of a request or a leg ---- */

/* Whether a member of this type may stand in such an object at all. */
static bool
may_stand(const Object *object, MemberType type)
{
	switch (type)
	{
		case TYPE_USER:
		case TYPE_DEADLINE:
		case TYPE_HANDSHAKE:
			return !object->is_leg;
		case TYPE_SPLIT:
			return object->is_leg;
		default:
			return true;
	}
}

/* The place of the member with this type in the list of its kind; -1 where the kind has none. */
static int
member_of_type(RequestKind kind, MemberType type)
{
	const KindInfo *info = &kind_infos[kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (info->members[i].type == type)
			return i;
	}
	return -1;
}

/* Which member has this name?  -1 where the kind has none.  In a leg each amount is an amount. */
static int
find_member(const Object *object, const Place *place)
{
	const KindInfo *info = &kind_infos[object->kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (has_name(place, info->members[i].name))
			return may_stand(object, info->members[i].type) ? i : -1;
	}
	return object->is_leg && has_name(place, "amount") ? member_of_type(object->kind, TYPE_AMOUNT)
	                                                   : -1;
}

static bool read_legs(Parser *parser, Object *object, const Place *place);

/* The value of a member of a request or a leg. */
static bool
read_member(Parser *parser, void *owner, const Place *place)
{
	Object *object = owner;
	const KindMember *member;
	int found;

	if (object->is_leg && has_name(place, "kind"))
	{
		if (object->has_kind)
			return refuse_value(parser, next_token(parser), CODE_DUPLICATE_MEMBER, place,
			                    "must be given only once");
		object->has_kind = true;
		return skip_value(parser, next_token(parser)); /* which has been read before */
	}
	found = find_member(object, place);
	if (found < 0)
		return refuse_value(parser, next_token(parser), CODE_UNKNOWN_MEMBER, place, "is not known");
	if (object->seen[found])
		return refuse_value(parser, next_token(parser), CODE_DUPLICATE_MEMBER, place,
		                    "must be given only once");
	object->seen[found] = true;
	member = &kind_infos[object->kind].members[found];
	if (member->type == TYPE_LEGS)
		return read_legs(parser, object, place);
	if (member->type == TYPE_SPLIT)
		return read_split(parser, object, place);
	return read_by(parser, value_readers[member->type], place,
	               (char *) object->operation + member->offset);
}

/* Whether something else stands in for a member that is missing. */
static bool
is_dispensable(const Object *object, const KindMember *member)
{
	int split = member_of_type(object->kind, TYPE_SPLIT);

	if (!may_stand(object, member->type))
		return true;
	if (member->type == TYPE_USER)
		return object->may_lack_user;
	if (member->type == TYPE_AMOUNT)
		return object->operation->amount_mode == MODE_ALL;
	return split >= 0 && object->seen[split] &&
	       member->offset == offsetof(Operation, destination_wallet_id);
}

/* Whether the member that is kept there is given, be its value right or wrong. */
static bool
is_given(const Object *object, size_t offset)
{
	const KindInfo *info = &kind_infos[object->kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (info->members[i].offset == offset && object->seen[i])
			return true;
	}
	return false;
}

/* A hold is named by its id or by a handshake; shares take the place of the destination. */
static void
check_choices(Parser *parser, Object *object)
{
	int handshake = member_of_type(object->kind, TYPE_HANDSHAKE);
	int split = member_of_type(object->kind, TYPE_SPLIT);
	Operation *operation = object->operation;
	Place place;

	if (handshake >= 0)
	{
		const KindMember *member = &kind_infos[object->kind].members[handshake];
		bool has_id = is_given(object, offsetof(Operation, link_id));

		operation->has_handshake = operation->is_unresolved = object->seen[handshake];
		if (operation->has_handshake && has_id)
		{
			place = place_of(object->path, member->name);
			complain(parser, CODE_UNKNOWN_MEMBER, &place, "must not stand beside hold_id");
		}
		else if (!operation->has_handshake && !has_id)
		{
			place = place_of(object->path, "hold_id");
			complain(parser, CODE_MISSING_MEMBER, &place, "is missing");
		}
	}
	if (object->kind == KIND_HOLD_EXTEND && !is_given(object, offsetof(Operation, amount)) &&
	    !is_given(object, offsetof(Operation, expires_in)) &&
	    !is_given(object, offsetof(Operation, expires_at)))
	{
		place = place_of(object->path, "amount");
		complain(parser, CODE_MISSING_MEMBER, &place, "is missing, and so is a new end");
	}
	if (split >= 0 && object->seen[split] &&
	    is_given(object, offsetof(Operation, destination_wallet_id)))
	{
		place = place_of(object->path, "dest_wallet_id");
		complain(parser, CODE_UNKNOWN_MEMBER, &place, "must not stand beside split");
	}
}

static void
check_required(Parser *parser, Object *object)
{
	const KindInfo *info = &kind_infos[object->kind];

	for (int i = 0; i < info->member_count; i++)
	{
		const KindMember *member = &info->members[i];

		if (member->required && !object->seen[i] && !is_dispensable(object, member))
		{
			Place place = place_of(object->path, member->name);

			complain(parser, CODE_MISSING_MEMBER, &place, "is missing");
		}
	}
	check_choices(parser, object);
}

/* What the members are where the payload does not have them; all others are zero. */
static void
set_defaults(RequestKind kind, Operation *operation)
{
	*operation = (Operation){.kind = kind, .max_capture = AMOUNT_NONE};
	if (member_of_type(kind, TYPE_AMOUNT_OR_ZERO) < 0)
		operation->amount = AMOUNT_NONE;
	if (member_of_type(kind, TYPE_CURRENCY) >= 0)
		strcpy(operation->currency, "usd");
}

/* The members of an object that has been opened. */
static bool
read_object(Parser *parser, Object *object)
{
	set_defaults(object->kind, object->operation);
	if (!read_members(parser, read_member, object, object->path))
		return false;
	check_required(parser, object);
	return true;
}

/* ---- The legs of a group ---- */

/* What find_kind() looks for. */
typedef struct KindSearch
{
	RequestKind kind; /* 0: it has not been found */
	bool is_found;
	const char *path;
} KindSearch;

static bool
read_kind(Parser *parser, void *owner, const Place *place)
{
	KindSearch *search = owner;
	JsonTokenType token = next_token(parser);
	char name[32];
	int length;
	const char *text;

	if (search->is_found || !has_name(place, "kind"))
		return skip_value(parser, token);
	search->is_found = true;
	if (token != JSON_TOKEN_STRING)
		return refuse_value(parser, token, CODE_WRONG_TYPE, place, "must be a string");
	text = string_text(parser, &length);
	length = Min(length, (int) sizeof(name) - 1); /* no kind's name is as long */
	memcpy(name, text, length);
	name[length] = '\0';
	if (!kind_from_name(name, &search->kind))
		complain(parser, CODE_UNKNOWN_KIND, place, "is not known");
	else if (!(kind_infos[search->kind].uses & USE_LEG))
	{
		complain(parser, CODE_INVALID_LEGS, place, "may not stand in a group");
		search->kind = 0;
	}
	return true;
}

/*
 * Finds the kind of a leg, wherever it stands in the object, which has been opened.  Without a kind
 * nothing can be said of the other members: then the object has been skipped.
 */
static bool
find_kind(Parser *parser, const char *path, RequestKind *kind)
{
	JsonLexContext start = *parser->lex;
	KindSearch search = {.path = path};

	if (!read_members(parser, read_kind, &search, path))
		return false;
	if (!search.is_found)
	{
		Place place = place_of(path, "kind");

		complain(parser, CODE_MISSING_MEMBER, &place, "is missing");
	}
	*kind = search.kind;
	if (search.kind != 0)
		*parser->lex = start;
	return true;
}

static bool
read_leg(Parser *parser, void *owner, int number, JsonTokenType token)
{
	Draft *draft = parser->draft;
	Operation beyond = {0};
	Object leg = {.is_leg = true};
	char name[PATH_SIZE];
	Place place;

	snprintf(name, sizeof(name), "legs[%d]", number);
	place = place_of("", name);
	if (token != JSON_TOKEN_OBJECT_START)
		return refuse_value(parser, token, CODE_WRONG_TYPE, &place, "must be an object");
	snprintf(leg.path, sizeof(leg.path), "%s.", name);
	leg.operation = number < LEGS_MAX ? &draft->legs[number] : &beyond;
	if (!find_kind(parser, leg.path, &leg.kind))
		return false;
	return leg.kind == 0 || read_object(parser, &leg);
}

/* The shares of a split count, and the split itself does not. */
static int
count_rows(const Draft *draft)
{
	int count = draft->share_count;

	for (int i = 0; i < draft->leg_count; i++)
		count += draft->legs[i].share_count > 0 ? 0 : 1;
	return count;
}

/* The array of legs, which begins with this token. */
static bool
read_leg_array(Parser *parser, const Place *place, JsonTokenType token)
{
	int count;

	if (token != JSON_TOKEN_ARRAY_START)
		return refuse_value(parser, token, CODE_WRONG_TYPE, place, "must be an array of objects");
	parser->draft = palloc0(sizeof(Draft));
	if (!read_elements(parser, read_leg, NULL, &count))
		return false;
	parser->draft->leg_count = Min(count, LEGS_MAX);
	if (count < 1 || count > LEGS_MAX || count_rows(parser->draft) > LEGS_MAX)
		complain(parser, CODE_INVALID_LEGS, place,
		         "must have 1 to 64 legs, the shares of splits among them");
	return true;
}

static bool
read_legs(Parser *parser, Object *object, const Place *place)
{
	return read_leg_array(parser, place, next_token(parser));
}

/* Gives the group its legs, in a block of their own. */
static void
take_draft(Parser *parser, Operation *group)
{
	const Draft *draft = parser->draft;
	Parts *parts;

	if (draft == NULL)
		return;
	parts = parts_init(palloc(parts_size(draft->leg_count, draft->share_count)), draft->leg_count,
	                   draft->share_count);
	memcpy(parts->legs, draft->legs, sizeof(Operation) * draft->leg_count);
	memcpy(parts->shares, draft->shares, sizeof(Share) * draft->share_count);
	for (int i = 0; i < draft->leg_count; i++)
		parts->legs[i].parts = parts->legs[i].share_count > 0 ? parts : NULL;
	group->parts = parts;
}

/* ---- Payloads ---- */

static void
open_text(Parser *parser, const char *json, int length)
{
#if PG_VERSION_NUM >= 170000
	parser->lex = makeJsonLexContextCstringLen(NULL, json, length, parser->encoding, false);
#else
	parser->lex = makeJsonLexContextCstringLen((char *) json, length, parser->encoding, false);
#endif
}

WalletCode
payload_first_fault(WalletCode read, WalletCode other)
{
	return read == CODE_AMOUNT_PRECISION || read == CODE_AMOUNT_TOO_LARGE ? read
	                                                                      : code_first(read, other);
}

/*
 * A value is wrong.  Keeps in its place what several members say together, where that is wrong by a
 * code that stands before.  With a code behind CODE_INVALID_LEGS all legs have been read.
 */
static void
look_for_earlier_fault(Parser *parser, Operation *operation)
{
	StringInfoData message;
	WalletCode code;

	if (parser->code <= CODE_INVALID_LEGS)
		return;
	take_draft(parser, operation);
	initStringInfo(&message);
	code = payload_check(operation, 0, &message);
	if (code != CODE_OK && payload_first_fault(parser->code, code) == code)
		complain_plainly(parser, code, message.data);
	pfree(message.data);
	if (operation->parts != NULL)
		pfree(operation->parts);
	operation->parts = NULL;
}

/* Behind the value of a payload comes nothing. */
static WalletCode
close_text(Parser *parser, bool is_read, Operation *operation)
{
	if (is_read && next_token(parser) != JSON_TOKEN_END)
		(void) complain_json(parser);
	if (parser->code == CODE_OK)
		take_draft(parser, operation);
	else
		look_for_earlier_fault(parser, operation);
	if (parser->draft != NULL)
		pfree(parser->draft);
#if PG_VERSION_NUM >= 170000
	freeJsonLexContext(parser->lex);
#else
	pfree(parser->lex);
#endif
	return parser->code;
}

WalletCode
payload_parse(RequestKind kind, int encoding, const char *json, int length, bool may_lack_user,
              Request *request, StringInfo message)
{
	Parser parser = {.encoding = encoding, .message = message};
	Object object = {.kind = kind, .may_lack_user = may_lack_user, .operation = request};
	JsonTokenType token;
	bool is_read;

	*request = (Request){.kind = kind};
	open_text(&parser, json, length);
	token = next_token(&parser);
	if (token == JSON_TOKEN_OBJECT_START)
		is_read = read_object(&parser, &object);
	else
	{
		is_read = skip_value(&parser, token);
		complain_plainly(&parser, CODE_NOT_AN_OBJECT, wallet_codes[CODE_NOT_AN_OBJECT].message);
	}
	return close_text(&parser, is_read, request);
}

WalletCode
payload_parse_legs(int encoding, const char *json, int length, Operation *group, StringInfo message)
{
	Parser parser = {.encoding = encoding, .message = message};
	Place place = place_of("", "legs");
	bool is_read;

	*group = (Operation){.kind = KIND_GROUP, .amount = AMOUNT_NONE, .max_capture = AMOUNT_NONE};
	open_text(&parser, json, length);
	is_read = read_leg_array(&parser, &place, next_token(&parser));
	return close_text(&parser, is_read, group);
}

static bool
is_about_amount(WalletCode code)
{
	return code == CODE_AMOUNT_NOT_POSITIVE || code == CODE_AMOUNT_NEGATIVE;
}

/* Appends which amount operation_check() has refused: a member's, or that of a share. */
static void
append_wrong_amount(StringInfo message, const Operation *operation)
{
	const KindInfo *info = &kind_infos[operation->kind];

	for (int i = 0; i < info->member_count; i++)
	{
		if (operation_check_member(operation, &info->members[i]) != CODE_OK)
		{
			appendStringInfoString(message, info->members[i].name);
			return;
		}
	}
	for (int i = 0; i < operation->share_count; i++)
	{
		const Share *share = &operation->parts->shares[operation->share_first + i];

		if (operation_check_share(share) != CODE_OK)
		{
			appendStringInfo(message, "split[%d].amount", i);
			return;
		}
	}
	Assert(false);
}

WalletCode
payload_check(const Operation *operation, int64 moment, StringInfo message)
{
	WalletCode code = operation_check(operation, moment);
	bool is_amount = is_about_amount(code);
	int leg;

	if (code == CODE_OK)
		return code;
	leg = operation_find_leg(operation, moment, code);
	if (leg >= 0 || is_amount)
		appendStringInfoString(message, "member \"");
	if (leg >= 0)
		appendStringInfo(message, "legs[%d]%s", leg, is_amount ? "." : "");
	if (is_amount)
		append_wrong_amount(message, leg >= 0 ? &operation->parts->legs[leg] : operation);
	if (leg >= 0 || is_amount)
		appendStringInfoString(message, "\": ");
	appendStringInfoString(message, wallet_codes[code].message);
	return code;
}

const char *
payload_amount_member(RequestKind kind)
{
	int i = member_of_type(kind, TYPE_AMOUNT);

	if (i < 0)
		i = member_of_type(kind, TYPE_AMOUNT_OR_ZERO);
	return i < 0 ? "" : kind_infos[kind].members[i].name;
}
