#include "daemon/lbctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A planned hand-over and a reload are answered when they are done. */
#define ANSWER_TIMEOUT_MS 20000L

struct client {
	CURL *curl;
	const char *socket_path;
};

/* Where streamed bytes wait for the end of their line. */
struct stream {
	struct lb_text held;
	client_on_line *on_line;
	void *ctx;
	bool ended;
};

struct client *client_new(const char *socket_path)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->socket_path = socket_path;
	c->curl = curl_easy_init();
	if (!c->curl) {
		free(c);
		return NULL;
	}
	return c;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct lb_text *body = ctx;

	lb_text_addn(body, data, size * count);
	return body->failed ? 0 : size * count;
}

static size_t on_stream(char *data, size_t size, size_t count, void *ctx)
{
	struct stream *stream = ctx;
	size_t length = size * count;
	const char *end;

	for (const char *at = data; length > 0 && !stream->ended; length -= (size_t)(end + 1 - at), at = end + 1) {
		end = memchr(at, '\n', length);
		if (!end) {
			lb_text_addn(&stream->held, at, length);
			break;
		}
		lb_text_addn(&stream->held, at, (size_t)(end - at));
		stream->ended = stream->held.failed || !stream->on_line(stream->ctx, lb_text_str(&stream->held));
		lb_text_free(&stream->held);
		stream->held = (struct lb_text){0};
	}
	return stream->ended ? 0 : size * count;
}

/* What a person can do about it, in one sentence. */
static bool explain(const struct client *c, CURLcode code, struct lb_err *err)
{
	long number = 0;

	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return lb_err_set(err, "lbd at %s did not answer within %ld s", c->socket_path,
				  ANSWER_TIMEOUT_MS / 1000);
	if (code != CURLE_COULDNT_CONNECT)
		return lb_err_set(err, "lbd at %s broke off: %s", c->socket_path, curl_easy_strerror(code));
	if (number == EACCES || number == EPERM)
		return lb_err_set(err, "no access to lbd at %s; be root or in the socket's group", c->socket_path);
	if (number == 0)
		return lb_err_set(err, "no lbd answers at %s; is it running?", c->socket_path);
	return lb_err_set(err, "no lbd answers at %s (%s); is it running?", c->socket_path, strerror((int)number));
}

static CURLcode perform(struct client *c, const struct client_request *request, long timeout_ms)
{
	struct lb_text url = {0}, type = {0};
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	lb_text_addf(&url, "http://lbd%s", request->path);
	lb_text_addf(&type, "Content-Type: %s", request->content_type ? request->content_type : "application/json");
	if (url.failed || type.failed)
		goto free_text;
	curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket_path);
	curl_easy_setopt(c->curl, CURLOPT_URL, lb_text_str(&url));
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->body) {
		headers = curl_slist_append(NULL, lb_text_str(&type));
		headers = curl_slist_append(headers, "Expect:");
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	}
	code = curl_easy_perform(c->curl);
	curl_slist_free_all(headers);

free_text:
	lb_text_free(&type);
	lb_text_free(&url);
	return code;
}

bool client_call(struct client *c, const struct client_request *request, struct client_reply *reply, struct lb_err *err)
{
	CURLcode code;

	*reply = (struct client_reply){0};
	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &reply->body);
	code = perform(c, request, ANSWER_TIMEOUT_MS);
	if (code != CURLE_OK) {
		client_reply_free(reply);
		return explain(c, code, err);
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	reply->json = json_loadb(lb_text_str(&reply->body), reply->body.len, 0, NULL);
	return true;
}

void client_reply_free(struct client_reply *reply)
{
	json_decref(reply->json);
	lb_text_free(&reply->body);
	*reply = (struct client_reply){0};
}

bool client_follow(struct client *c, const char *path, client_on_line *on_line, void *ctx, struct lb_err *err)
{
	struct stream stream = {.on_line = on_line, .ctx = ctx};
	CURLcode code;

	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_stream);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &stream);
	curl_easy_setopt(c->curl, CURLOPT_FAILONERROR, 1L);
	code = perform(c, &(struct client_request){.method = "GET", .path = path}, 0);
	lb_text_free(&stream.held);
	return code == CURLE_OK || stream.ended || explain(c, code, err);
}

void client_escape(struct client *c, const char *text, struct lb_text *out)
{
	char *escaped = curl_easy_escape(c->curl, text, 0);

	lb_text_add(out, escaped ? escaped : "");
	curl_free(escaped);
}

void client_free(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free(c);
}
