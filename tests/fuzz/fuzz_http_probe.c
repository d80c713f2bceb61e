/* Whatever a server answers to a check: never a crash, a verdict at the end at the latest, and the same one for the
 * same bytes in whatever pieces they come, about the connection, too. The first byte of an input is the size of the
 * pieces. */
#include <stdlib.h>
#include <string.h>

#include <lb/http_probe.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* The verdict, and in *reusable what becomes of the connection behind the whole of it. */
static enum health_result judge(const struct lb_conf_check *check, const uint8_t *data, size_t len, size_t piece,
				bool *reusable)
{
	struct http_probe p = {0};
	enum health_result result = HEALTH_RESULT_COUNT_;

	*reusable = false;
	for (size_t i = 0; i < len; i += piece) {
		size_t n = len - i < piece ? len - i : piece;

		if (http_probe_feed(&p, check, data + i, n, false, &result)) {
			http_probe_feed(&p, NULL, data + i + n, len - i - n, false, NULL);
			*reusable = http_probe_reusable(&p);
			require(!*reusable || !http_probe_goes_on(&p));
			return result;
		}
		require(p.seen == i + n);
		require(p.seen <= HTTP_PROBE_HEAD_MAX ||
			(p.part == HTTP_PROBE_BODY && p.body_seen < HTTP_PROBE_BODY_MAX));
		require(p.seen <= HTTP_PROBE_HEAD_MAX + 3 * HTTP_PROBE_BODY_MAX + 1);
	}
	require(http_probe_feed(&p, check, NULL, 0, true, &result));
	return result;
}

static void judge_in_pieces(const struct lb_conf_check *check, const uint8_t *data, size_t len, size_t piece)
{
	bool reusable, again;
	enum health_result whole = judge(check, data, len, len ? len : 1, &reusable);

	require(whole == HEALTH_RESULT_OK || whole == HEALTH_RESULT_ALIVE || whole == HEALTH_RESULT_WRONG ||
		whole == HEALTH_RESULT_GARBAGE || whole == HEALTH_RESULT_RESET);
	require((whole == HEALTH_RESULT_RESET) == (len == 0));
	require(judge(check, data, len, 1, &again) == whole);
	require(again == reusable);
	require(judge(check, data, len, piece, &again) == whole);
	require(again == reusable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lb_conf_check by_code = {
	    .expect = {{200, 299}}, .expect_count = 1, .alive = {{401, 403}}, .alive_count = 1};
	static struct lb_conf_check by_body = {.expect = {{200, 200}}, .expect_count = 1, .body = "abcabd"};

	if (size == 0)
		return 0;
	judge_in_pieces(&by_code, data + 1, size - 1, (size_t)data[0] + 1);
	judge_in_pieces(&by_body, data + 1, size - 1, (size_t)data[0] + 1);
	return 0;
}
