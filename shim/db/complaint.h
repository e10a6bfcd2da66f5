/*
 * complaint.h
 *		What the process cannot do with the database, said once in the log.
 *
 * Each connection has a Complaint: the reason why it cannot be used now.  A
 * reason that several connections have is one line of the log, and so is a
 * reason that lasts over many attempts.  Another reason is another line.  A
 * reason that comes and goes is one line in COMPLAINT_PAUSE_MS.  When every
 * connection can be used again, the log says so.
 *
 * The connections live in several threads: a mutex in complaint.c guards the
 * list and all that is in a Complaint.
 */
#ifndef WALLET_SHIM_COMPLAINT_H
#define WALLET_SHIM_COMPLAINT_H

#include <stdbool.h>
#include <stdint.h>

#define COMPLAINT_SIZE 384
#define COMPLAINT_PAUSE_MS 3000

typedef struct Complaint
{
	struct Complaint *next; /* of all connections of the process */
	char text[COMPLAINT_SIZE];
	bool told; /* the text is in the log */
	bool well; /* the connection can be used */
} Complaint;

/* Adds a connection to those of the process; it cannot be used yet. */
void complaint_add(Complaint *complaint);

/* Takes a connection from those of the process. */
void complaint_remove(Complaint *complaint);

/*
 * The connection cannot do what it should: logs "what: reason", unless the log has it.  The reason
 * may have several lines and may be NULL.  It must hold no secret.
 */
void complaint_make(Complaint *complaint, const char *what, const char *reason, int64_t now_ms);

/* The connection can be used, and does what it should. */
void complaint_end(Complaint *complaint);

#endif /* WALLET_SHIM_COMPLAINT_H */
