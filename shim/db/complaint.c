/*
 * complaint.c
 *		One line of the log for each reason, whoever has it and however often.
 *
 * One mutex guards everything here.  It is taken when a connection is made,
 * fails or comes back, never for a request.
 */
#include "db/complaint.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define TOLD_MAX 8

typedef struct Told
{
	char text[COMPLAINT_SIZE];
	int64_t at_ms;
} Told;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Complaint *complaints;
static Told told_last[TOLD_MAX]; /* a ring of what was logged last */
static unsigned told_count;
static bool all_well; /* the log says last that every connection can be used */

/* Writes "what: reason" as one line without a space at its end. */
static void
write_text(char text[COMPLAINT_SIZE], const char *what, const char *reason)
{
	size_t length;

	snprintf(text, COMPLAINT_SIZE, "%s: %s", what, reason ? reason : "no reason is known");
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	length = strlen(text);
	while (length > 0 && text[length - 1] == ' ')
		text[--length] = '\0';
}

/* Whether another connection has the same reason, and the log has it. */
static bool
is_told_by_another(const Complaint *complaint)
{
	for (const Complaint *other = complaints; other != NULL; other = other->next)
		if (other != complaint && other->told && strcmp(other->text, complaint->text) == 0)
			return true;
	return false;
}

/* Whether the text was logged just now; if not, it is noted as logged. */
static bool
is_told_just_now(const char *text, int64_t now_ms)
{
	Told *place = &told_last[told_count % TOLD_MAX];

	for (unsigned i = 0; i < TOLD_MAX; i++)
		if (strcmp(told_last[i].text, text) == 0)
		{
			if (now_ms - told_last[i].at_ms < COMPLAINT_PAUSE_MS)
				return true;
			place = &told_last[i];
		}
	if (place == &told_last[told_count % TOLD_MAX])
		told_count++;
	snprintf(place->text, sizeof(place->text), "%s", text);
	place->at_ms = now_ms;
	return false;
}

void
complaint_add(Complaint *complaint)
{
	*complaint = (Complaint){0};
	pthread_mutex_lock(&mutex);
	complaint->next = complaints;
	complaints = complaint;
	pthread_mutex_unlock(&mutex);
}

void
complaint_remove(Complaint *complaint)
{
	Complaint **place = &complaints;

	pthread_mutex_lock(&mutex);
	while (*place != NULL && *place != complaint)
		place = &(*place)->next;
	assert(*place == complaint);
	*place = complaint->next;
	pthread_mutex_unlock(&mutex);
}

void
complaint_make(Complaint *complaint, const char *what, const char *reason, int64_t now_ms)
{
	char text[COMPLAINT_SIZE];

	assert(what != NULL);
	write_text(text, what, reason);
	pthread_mutex_lock(&mutex);
	complaint->well = false;
	if (strcmp(complaint->text, text) != 0)
	{
		memcpy(complaint->text, text, sizeof(text));
		complaint->told = false;
	}
	if (!complaint->told && is_told_by_another(complaint))
		complaint->told = true;
	if (!complaint->told && !is_told_just_now(text, now_ms))
	{
		complaint->told = true;
		all_well = false;
		log_line("%s", text);
	}
	pthread_mutex_unlock(&mutex);
}

void
complaint_end(Complaint *complaint)
{
	bool others_well = true;
	int count = 0;

	pthread_mutex_lock(&mutex);
	complaint->well = true;
	complaint->told = false;
	complaint->text[0] = '\0';
	for (const Complaint *other = complaints; other != NULL; other = other->next)
	{
		others_well = others_well && other->well;
		count++;
	}
	if (others_well && !all_well)
		log_line("database connected: all %d connections can be used", count);
	all_well = all_well || others_well;
	pthread_mutex_unlock(&mutex);
}
