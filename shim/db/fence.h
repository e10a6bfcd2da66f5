/*
 * fence.h
 *		Which primary is the last one that was promoted.
 *
 * A promotion raises the timeline of the cluster.  An old primary that goes on, because it was
 * frozen or cut off while another one was promoted, still takes reads and writes.  So as soon as
 * one connection of the process has met a primary, those with a lower timeline of the same cluster
 * are left, and none is made with such a server.
 */
#ifndef WALLET_SHIM_FENCE_H
#define WALLET_SHIM_FENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Fence
{
	uint64_t system;   /* the cluster's identifier */
	uint32_t timeline; /* 0: of a standby */
} Fence;

/* A server has been met.  From any thread, as is the next one. */
void fence_raise(const Fence *fence);

/* Whether a server of the same cluster with a higher timeline has been met; never of a standby. */
bool fence_is_behind(const Fence *fence);

#endif /* WALLET_SHIM_FENCE_H */
