#include "daemon/proxy/control/move_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/bytes.h>

#include "daemon/proxy/control/must.h"

/* A frame: type (1), length (4), data. */
#define HEAD	   5
#define READ_CHUNK (256 * 1024)

struct move_keys {
	struct ipc_move_setup setup;
	uint32_t users; /* who made them, and the streams that were opened with them */
	SSL_CTX *client, *server;
};

struct queue {
	uint8_t *data;
	size_t start, end, size;
};

struct move_stream {
	struct ev_loop *loop;
	struct move_stream_hooks hooks;
	struct move_keys *keys;
	ev_io io;
	SSL *ssl;
	struct queue in, out;
	bool connecting, shaken;
	bool calling, doomed; /* in a hook; freed from inside of it, which then happens when it returns */
};

/* ---- keys ---- */

static SSL_SESSION *session_of(SSL *ssl, const uint8_t psk[IPC_MOVE_PSK])
{
	static const uint8_t aes_128_gcm_sha256[] = {0x13, 0x01};
	SSL_SESSION *session = SSL_SESSION_new();

	if (session != NULL && SSL_SESSION_set1_master_key(session, psk, IPC_MOVE_PSK) == 1 &&
	    SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, aes_128_gcm_sha256)) == 1 &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

static int on_use(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **session)
{
	struct move_keys *keys = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ipc_move_key *key = &keys->setup.keys[0];

	(void)md;
	*session = session_of(ssl, key->psk);
	*id = key->id;
	*id_len = sizeof(key->id);
	return *session != NULL;
}

static int on_find(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **session)
{
	struct move_keys *keys = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	*session = NULL;
	for (uint32_t i = 0; i < keys->setup.key_count; i++)
		if (id_len == sizeof(keys->setup.keys[i].id) && memcmp(id, keys->setup.keys[i].id, id_len) == 0)
			*session = session_of(ssl, keys->setup.keys[i].psk);
	return 1;
}

static SSL_CTX *context(const SSL_METHOD *method, struct move_keys *keys)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_app_data(ctx, keys);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_psk_use_session_callback(ctx, on_use);
	SSL_CTX_set_psk_find_session_callback(ctx, on_find);
	return ctx;
}

struct move_keys *move_keys_new(const struct ipc_move_setup *setup)
{
	struct move_keys *keys = must(calloc(1, sizeof(*keys)));

	keys->setup = *setup;
	keys->users = 1;
	keys->client = context(TLS_client_method(), keys);
	keys->server = context(TLS_server_method(), keys);
	if (keys->client != NULL && keys->server != NULL)
		return keys;
	move_keys_free(keys);
	ERR_clear_error();
	return NULL;
}

void move_keys_free(struct move_keys *keys)
{
	if (keys == NULL || --keys->users > 0)
		return;
	SSL_CTX_free(keys->server);
	SSL_CTX_free(keys->client);
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
}

/* ---- the stream ---- */

static void lost(struct move_stream *s, const char *why)
{
	ev_io_stop(s->loop, &s->io);
	s->hooks.lost(s->hooks.ctx, why);
}

/* Run a hook; false when it freed the stream. */
static bool survives(struct move_stream *s, void (*call)(struct move_stream *s, const uint8_t *data, size_t len),
		     const uint8_t *data, size_t len)
{
	s->calling = true;
	call(s, data, len);
	s->calling = false;
	if (!s->doomed)
		return true;
	move_stream_free(s);
	return false;
}

static void tell_ready(struct move_stream *s, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	s->hooks.ready(s->hooks.ctx);
}

static void tell_frame(struct move_stream *s, const uint8_t *data, size_t len)
{
	s->hooks.frame(s->hooks.ctx, (enum move_frame)data[0], data + HEAD, len - HEAD);
}

static void reserve(struct queue *q, size_t more)
{
	if (q->start > 0 && q->start == q->end)
		q->start = q->end = 0;
	if (q->size - q->end >= more)
		return;
	if (q->end > q->start)
		memmove(q->data, q->data + q->start, q->end - q->start);
	q->end -= q->start;
	q->start = 0;
	if (q->size - q->end >= more)
		return;
	q->size = 2 * q->size > q->end + more ? 2 * q->size : q->end + more;
	q->data = must(realloc(q->data, q->size));
}

static void watch(struct move_stream *s, int events)
{
	if (s->out.start < s->out.end)
		events |= EV_WRITE;
	if (ev_is_active(&s->io) && s->io.events == events)
		return;
	ev_io_stop(s->loop, &s->io);
	ev_io_modify(&s->io, events);
	ev_io_start(s->loop, &s->io);
}

/* What a call that did not get through waits for; false when it never will. */
static bool waits(struct move_stream *s, int rc)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		watch(s, EV_READ);
		return true;
	case SSL_ERROR_WANT_WRITE:
		watch(s, EV_READ | EV_WRITE);
		return true;
	default:
		ERR_clear_error();
		return false;
	}
}

/* Deliver whole frames; false when the stream is gone. */
static bool deliver(struct move_stream *s)
{
	while (s->in.end - s->in.start >= HEAD) {
		uint8_t *head = s->in.data + s->in.start;
		size_t len = HEAD + lb_get32(head + 1);

		if (head[0] < MOVE_FRAME_HELLO || head[0] > MOVE_FRAME_LAST_ || len > MOVE_FRAME_MAX) {
			lost(s, "what came is no frame");
			return false;
		}
		if (s->in.end - s->in.start < len)
			return true;
		s->in.start += len;
		if (!survives(s, tell_frame, head, len))
			return false;
	}
	return true;
}

static bool read_all(struct move_stream *s)
{
	for (;;) {
		int n;

		reserve(&s->in, READ_CHUNK);
		n = SSL_read(s->ssl, s->in.data + s->in.end, READ_CHUNK);
		if (n <= 0) {
			if (waits(s, n))
				return true;
			lost(s, "closed by the other node");
			return false;
		}
		s->in.end += (size_t)n;
		if (!deliver(s))
			return false;
	}
}

static bool write_all(struct move_stream *s)
{
	while (s->out.start < s->out.end) {
		size_t left = s->out.end - s->out.start;
		int n = SSL_write(s->ssl, s->out.data + s->out.start, left > INT32_MAX ? INT32_MAX : (int)left);

		if (n <= 0) {
			if (waits(s, n))
				return true;
			lost(s, "closed by the other node");
			return false;
		}
		s->out.start += (size_t)n;
	}
	watch(s, EV_READ);
	return true;
}

static bool shake(struct move_stream *s)
{
	int rc = SSL_do_handshake(s->ssl);

	if (rc != 1) {
		bool closed = SSL_get_error(s->ssl, rc) != SSL_ERROR_SSL;

		if (!waits(s, rc))
			lost(s, closed ? "closed by the other node" : "the TLS handshake failed: do the keys differ?");
		return false;
	}
	s->shaken = true;
	/* Without certificates there is nothing else that could have been agreed on. */
	if (!SSL_session_reused(s->ssl)) {
		lost(s, "the other node does not know the key");
		return false;
	}
	return survives(s, tell_ready, NULL, 0);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct move_stream *s = io->data;

	(void)loop;
	(void)revents;
	if (s->connecting) {
		int error = tcp_sock_error(s->io.fd);

		s->connecting = false;
		if (error != 0) {
			lost(s, strerror(error));
			return;
		}
	}
	if (!s->shaken && !shake(s))
		return;
	if (write_all(s))
		read_all(s);
}

static struct move_stream *stream_new(struct ev_loop *loop, struct move_keys *keys, bool accepts, int fd,
				      const struct move_stream_hooks *hooks)
{
	struct move_stream *s = must(calloc(1, sizeof(*s)));

	s->loop = loop;
	s->hooks = *hooks;
	s->keys = keys;
	keys->users++;
	s->ssl = SSL_new(accepts ? keys->server : keys->client);
	ev_io_init(&s->io, on_io, fd, EV_READ | EV_WRITE);
	s->io.data = s;
	if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1) {
		ERR_clear_error();
		move_stream_free(s);
		return NULL;
	}
	ev_io_start(loop, &s->io);
	return s;
}

struct move_stream *move_stream_connect(struct ev_loop *loop, struct move_keys *keys, const struct lb_endpoint *to,
					const struct lb_addr *from, const struct move_stream_hooks *hooks)
{
	int fd = tcp_sock_connect(to, from);
	struct move_stream *s = fd >= 0 ? stream_new(loop, keys, false, fd, hooks) : NULL;

	if (s == NULL)
		return NULL;
	SSL_set_connect_state(s->ssl);
	s->connecting = true;
	return s;
}

struct move_stream *move_stream_accept(struct ev_loop *loop, struct move_keys *keys, int fd,
				       const struct move_stream_hooks *hooks)
{
	struct move_stream *s = stream_new(loop, keys, true, fd, hooks);

	if (s == NULL)
		return NULL;
	SSL_set_accept_state(s->ssl);
	/* The answer is short and waited for. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return s;
}

void move_stream_send(struct move_stream *s, enum move_frame type, const uint8_t *data, size_t len)
{
	uint8_t *at;

	reserve(&s->out, HEAD + len);
	at = s->out.data + s->out.end;
	at[0] = (uint8_t)type;
	lb_put32(at + 1, (uint32_t)len);
	if (len > 0)
		memcpy(at + HEAD, data, len);
	s->out.end += HEAD + len;
	if (s->shaken)
		watch(s, EV_READ | EV_WRITE);
}

void move_stream_set_hooks(struct move_stream *s, const struct move_stream_hooks *hooks)
{
	s->hooks = *hooks;
}

size_t move_stream_queued(const struct move_stream *s)
{
	return s->out.end - s->out.start;
}

void move_stream_set_options(struct move_stream *s, const struct tcp_sock_options *options)
{
	tcp_sock_set_options(s->io.fd, options);
}

void move_stream_free(struct move_stream *s)
{
	if (s == NULL)
		return;
	ev_io_stop(s->loop, &s->io);
	if (s->calling) {
		s->doomed = true;
		return;
	}
	if (s->ssl != NULL && s->shaken)
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	ERR_clear_error();
	move_keys_free(s->keys);
	close(s->io.fd);
	free(s->in.data);
	free(s->out.data);
	free(s);
}
