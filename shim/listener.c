/*
 * listener.c
 *		A listening socket's filter and its queue.
 *
 * When a listening socket is closed, the kernel resets the connections that wait in its queue,
 * and those whose handshake is under way.  Their clients believe to be connected, and have sent
 * their requests: a proxy must not send a POST again that it has sent.  So the socket first drops
 * every SYN, which begins a connection, and is closed when all that had begun have been accepted.
 */
#include "listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

#define TCP_FLAGS_OFFSET 13 /* in the TCP header, RFC 9293, section 3.1 */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

void
listener_drop_new(int fd)
{
	/* The packet begins at its TCP header.  Returns how much of it may pass. */
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TCP_SYN | TCP_ACK),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCP_SYN, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
		log_line("cannot keep new connections away while stopping: %s", strerror(errno));
}

/* Of a listening socket tcpi_unacked is how many wait to be accepted. */
bool
listener_is_empty(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	memset(&info, 0, sizeof(info));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_unacked == 0;
}
