/*
 * client.h
 *		One HTTP connection and the request that it makes.
 *
 * A Client lives as long as its connection and is used again by each of its requests, so that a
 * request allocates next to nothing.  While a request waits its connection is suspended, and
 * libmicrohttpd neither reads nor closes it: the Client stays.
 */
#ifndef WALLET_SHIM_CLIENT_H
#define WALLET_SHIM_CLIENT_H

#include "http/guard.h"
#include "http/http.h"
#include "http/names.h"

#define BODY_SIZE_MAX 8192 /* of an ordinary request; what is larger is charged */
#define REPLY_SIZE 512
#define LOCATION_SIZE 192
#define CLIENT_ANSWER_TIMEOUT_MS 60000

/* A request passes through the phases in their order; PHASE_LINE and PHASE_RESUMED may be missing.
 */
typedef enum Phase
{
	PHASE_IDLE,      /* no request, or less than its first line, not seen yet */
	PHASE_LINE,      /* bytes of a first line have come in */
	PHASE_HEAD,      /* the first line is there */
	PHASE_RECEIVING, /* the head is there, the body may be coming */
	PHASE_COMPLETE,  /* the whole request is there, to be carried out with the next call */
	PHASE_WAITING,   /* suspended, after PHASE_RECEIVING or PHASE_COMPLETE */
	PHASE_RESUMED,   /* resumed at its head; libmicrohttpd may show the head once more */
	PHASE_ANSWERING  /* the reply is there, or on its way */
} Phase;

/* What makes a response besides its text. */
typedef struct ReplyHead
{
	unsigned status;
	const char *media_type;
	size_t length;
	int wait_s;      /* for Preference-Applied; 0: none */
	int staleness_s; /* the same; -1: none */
	bool must_close;
	bool has_location;
	bool is_special; /* it got fields of its own by reply_field */
} ReplyHead;

struct Client
{
	Http *http;
	struct MHD_Connection *connection;
	int fd;
	Client *previous; /* of all clients */
	Client *next;
	Phase phase;
	int64_t deadline_ms;     /* of the phase */
	Phase suspended_phase;   /* while PHASE_WAITING: the one before, */
	int64_t suspended_at_ms; /* and since when it waits */
	bool idle_known;
	uint64_t idle_bytes;    /* received when the phase became idle, once idle_known */
	uint64_t quiet_bytes;   /* while draining: received by the last sweep, */
	int64_t quiet_since_ms; /* and since when there have been no more; 0: not looked at yet */

	/* the request */
	int64_t started_at_ms;    /* when its first line was there */
	unsigned answered_status; /* 0: it was not answered */
	WalletCode problem;       /* the code of the answer; CODE_OK: it is no problem */
	RequestNames names;
	RequestLine line;
	RequestHead head;
	Buffer query; /* ends in a NUL; empty when there is none */
	Buffer body;
	uint64_t body_seen;
	size_t body_size_max;
	void *extra;           /* the handler's, for a large request; freed by client_discharge */
	size_t charge;         /* bytes of the budget for large requests */
	int64_t wait_until_ms; /* of Prefer: wait, as far as it applies; 0: answer at once */
	int staleness_s;       /* of Prefer: max-staleness, where it applies; -1: nowhere */
	bool is_held;          /* waiting for a time, not for the database: its end may be seen */

	/* the reply */
	struct MHD_Response *response; /* NULL: there is none yet */
	ReplyHead reply_head;
	bool must_close;
	struct MHD_Response *kept;    /* the last response, to be used again; not while there is one */
	char reply[REPLY_SIZE];       /* the text of a short one */
	char location[LOCATION_SIZE]; /* of the response or the kept one, where its head has one */
};

/* Makes the client of a new connection; NULL: no memory. */
Client *client_open(Http *http, struct MHD_Connection *connection);

/* Whether the connection comes from this machine, over a loopback address. */
bool client_is_local(const Client *client);

/* Frees a client whose connection is closed and whose replies are forgotten. */
void client_close(Client *client);

void client_set_phase(Client *client, Phase phase, int64_t deadline_ms);

/*
 * Sets what the client takes of the budget for large requests, in bytes.  False when that much is
 * not left; then nothing changes.  Taking less never fails.
 */
bool client_charge(Client *client, size_t bytes);

/* Gives back all that a large request takes: extra, its body, its charge. */
void client_discharge(Client *client);

/* Lets a request wait, from PHASE_RECEIVING or PHASE_COMPLETE on, until one of the next two. */
void client_wait(Client *client);

/* The reply of a waiting request is there: lets libmicrohttpd go on with the connection. */
void client_resume(Client *client);

/*
 * A waiting request goes on where it was suspended: at its head, whose body is then read, or
 * complete, with the handler's start.
 */
void client_go_on(Client *client);

#endif /* WALLET_SHIM_CLIENT_H */
