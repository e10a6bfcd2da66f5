/*
 * reply.h
 *		Puts replies into a client.
 *
 * A reply whose text is short and that differs from the connection's last one in its text alone
 * is sent with the last one's response.
 */
#ifndef WALLET_SHIM_REPLY_H
#define WALLET_SHIM_REPLY_H

#include "base/codes.h"
#include "http/client.h"

/* The scratch buffer's JSON. */
void reply_scratch(Client *client, unsigned status);

/* The same, as 202, with a Location, which is copied and shorter than LOCATION_SIZE. */
void reply_queued(Client *client, const char *location);

/* The scratch buffer's text, of another media type; the literal is kept. */
void reply_text(Client *client, unsigned status, const char *media_type);

/* A problem (RFC 9457); message NULL: the code's own. */
void reply_problem(Client *client, WalletCode code, const char *message);

/* The refusal of a body that has more than client->body_size_max bytes. */
void reply_too_large(Client *client);

/* {"status":"…"}. */
void reply_status(Client *client, const char *status);

/* No body. */
void reply_empty(Client *client, unsigned status);

/* Adds a header field to the reply. */
void reply_field(Client *client, const char *name, const char *value);

/* Writes the text of a problem. */
void reply_write_problem(Buffer *out, WalletCode code, const char *message);

/* libmicrohttpd has the reply: keeps the response if it may be used again. */
void reply_sent(Client *client);

/* Drops a reply that was not sent; reply_forget also the response that was kept. */
void reply_drop(Client *client);
void reply_forget(Client *client);

#endif /* WALLET_SHIM_REPLY_H */
