/*
 * The cluster's keys and the password of version 2. key_file signs; beside it the files key_file.next and key_file.old
 * may hold keys that are accepted as well, so that a key can be changed on one node after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/sandbox.h"

static const char *const key_suffixes[ELECTION_KEYS_MAX] = {"", ".next", ".old"};

static void key_path(const struct lb_conf *conf, size_t i, char out[LB_PATH_MAX + 8])
{
	snprintf(out, LB_PATH_MAX + 8, "%s%s", conf->key_file, key_suffixes[i]);
}

/*
 * The id that travels with a signed advert follows from the key alone, so that a key has one id whichever file it is
 * in on which node. Keys that happen to share an id are told apart by verifying.
 */
static uint8_t key_id(const struct peer_link_key *key)
{
	static const char label[] = "lbd key id";
	uint8_t mac[16];

	lb_hmac16(key->bytes, key->len, label, sizeof(label) - 1, NULL, 0, mac);
	return (uint8_t)(mac[0] % 255 + 1);
}

static void add_key(struct election_secrets *s, const struct peer_link_key *key)
{
	struct vrrp_key *vrrp = &s->vrrp_keys[s->key_count];

	s->keys[s->key_count++] = *key;
	vrrp->id = key_id(key);
	vrrp->length = (uint8_t)(key->len < VRRP_KEY_MAX ? key->len : VRRP_KEY_MAX);
	memcpy(vrrp->bytes, key->bytes, vrrp->length);
}

/* False when the file is there, or must be, and cannot be used. *denied: it is another user's. */
static bool read_key(const struct lb_conf *conf, size_t i, struct election_secrets *out, bool *denied,
		     struct lb_err *err)
{
	struct peer_link_key key = {0};
	char path[LB_PATH_MAX + 8];
	struct lb_err why;
	ssize_t n;

	key_path(conf, i, path);
	out->stamps[i] = secret_file_stamp(path);
	n = secret_file_read(path, key.bytes, sizeof(key.bytes), &why);
	if (n < 0 && errno == ENOENT && i > 0)
		return true;
	if (n < 0) {
		*denied = errno == EACCES;
		return lb_err_set(err, "key_file %s", why.text);
	}
	if (n < VRRP_KEY_MIN)
		return lb_err_set(err, "key_file %s has %zd bytes, at least %d are needed; make one with: lbctl keygen",
				  path, n, VRRP_KEY_MIN);
	key.len = (size_t)n;
	add_key(out, &key);
	explicit_bzero(&key, sizeof(key));
	return true;
}

/* RFC 2338: eight bytes, padded with zeros; the end of line of a text file is none of it. */
static bool read_password(const struct lb_conf *conf, struct election_secrets *out, bool *denied, struct lb_err *err)
{
	const char *path = conf->election.password_file;
	uint8_t bytes[sizeof(out->password) + 2];
	struct lb_err why;
	ssize_t n = secret_file_read(path, bytes, sizeof(bytes), &why);

	out->stamps[ELECTION_KEYS_MAX] = secret_file_stamp(path);
	if (n < 0) {
		*denied = errno == EACCES;
		return lb_err_set(err, "election.password_file %s", why.text);
	}
	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	if (n == 0 || (size_t)n > sizeof(out->password))
		return lb_err_set(err, "election.password_file %s must hold 1 to %zu bytes", path,
				  sizeof(out->password));
	memcpy(out->password, bytes, (size_t)n);
	return true;
}

static bool read_all(const struct lb_conf *conf, struct election_secrets *out, bool *denied, struct lb_err *err)
{
	sandbox_hide_bytes(out, sizeof(*out));
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < ELECTION_KEYS_MAX && conf->key_file[0] != '\0'; i++)
		if (!read_key(conf, i, out, denied, err))
			return false;
	return conf->election.auth != LB_AUTH_PASSWORD || read_password(conf, out, denied, err);
}

bool election_secret_read(const struct lb_conf *conf, struct election_secrets *out, struct lb_err *err)
{
	bool denied;

	return read_all(conf, out, &denied, err);
}

/* Are the files on disk the ones that were read at last? */
static bool unchanged(const struct lb_conf *conf, const struct election_secrets *s)
{
	struct secret_file_stamp now[ELECTION_KEYS_MAX + 1] = {0};
	char path[LB_PATH_MAX + 8];

	for (size_t i = 0; i < ELECTION_KEYS_MAX && conf->key_file[0] != '\0'; i++) {
		key_path(conf, i, path);
		now[i] = secret_file_stamp(path);
	}
	if (conf->election.auth == LB_AUTH_PASSWORD)
		now[ELECTION_KEYS_MAX] = secret_file_stamp(conf->election.password_file);
	return memcmp(now, s->stamps, sizeof(now)) == 0;
}

bool election_secret_renew(const struct lb_conf *conf, const struct election_secrets *now, struct election_secrets *out,
			   struct lb_err *err)
{
	bool denied = false;

	if (read_all(conf, out, &denied, err))
		return true;
	/* Read by root at start; the account that the daemon became needs it again only when it was changed. */
	if (!denied || !unchanged(conf, now))
		return false;
	*out = *now;
	return true;
}
