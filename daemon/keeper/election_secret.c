/* The cluster's key and the password of version 2, read once at start. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/keeper/election_state.h"

/* The whole file, at most cap bytes; what names the setting. Returns the length or -1 with a sentence. */
static ssize_t read_secret(const char *what, const char *path, uint8_t *out, size_t cap, struct lb_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t surplus;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0) {
		lb_err_errno(err, errno, "%s %s cannot be read", what, path);
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		lb_err_set(err, "%s %s is not a regular file", what, path);
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		lb_err_set(err, "%s %s has mode %04o: others can read it; chmod 600 it", what, path,
			   (unsigned)(st.st_mode & 07777));
	else if ((n = read(fd, out, cap)) < 0)
		lb_err_errno(err, errno, "%s %s cannot be read", what, path);
	if (n == (ssize_t)cap && read(fd, &surplus, 1) > 0) {
		lb_err_set(err, "%s %s has more than %zu bytes", what, path, cap);
		n = -1;
	}
	close(fd);
	return n;
}

static bool read_key(const struct lb_conf *conf, struct election_secrets *out, struct lb_err *err)
{
	ssize_t n = read_secret("key_file", conf->key_file, out->key, sizeof(out->key), err);

	if (n < 0)
		return false;
	if (n < VRRP_KEY_MIN)
		return lb_err_set(err,
				  "key_file %s has %zd bytes, at least %d are needed; make one with: lbctl keygen %s",
				  conf->key_file, n, VRRP_KEY_MIN, conf->key_file);
	out->key_len = (size_t)n;
	out->vrrp_key.id = 1;
	out->vrrp_key.length = (uint8_t)(n < VRRP_KEY_MAX ? n : VRRP_KEY_MAX);
	memcpy(out->vrrp_key.bytes, out->key, out->vrrp_key.length);
	return true;
}

/* RFC 2338: eight bytes, padded with zeros; the end of line of a text file is none of it. */
static bool read_password(const struct lb_conf *conf, struct election_secrets *out, struct lb_err *err)
{
	uint8_t bytes[sizeof(out->password) + 2];
	ssize_t n = read_secret("election.password_file", conf->election.password_file, bytes, sizeof(bytes), err);

	if (n < 0)
		return false;
	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	if (n == 0 || (size_t)n > sizeof(out->password))
		return lb_err_set(err, "election.password_file %s must hold 1 to %zu bytes",
				  conf->election.password_file, sizeof(out->password));
	memcpy(out->password, bytes, (size_t)n);
	return true;
}

bool election_secret_read(const struct lb_conf *conf, struct election_secrets *out, struct lb_err *err)
{
	memset(out, 0, sizeof(*out));
	if (conf->key_file[0] != '\0' && !read_key(conf, out, err))
		return false;
	return conf->election.auth != LB_AUTH_PASSWORD || read_password(conf, out, err);
}
