/* The answer of <lb/resume.h> as text: "resume=1-2 lbd=0.2.0". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/resume.h>

bool resume_answer_write(const struct resume_answer *answer, char *out, size_t room)
{
	int length = snprintf(out, room, "resume=%u-%u lbd=%s", answer->oldest, answer->newest, answer->version);

	return length > 0 && (size_t)length < room;
}

bool resume_answer_read(const char *text, struct resume_answer *out)
{
	struct resume_answer answer = {0};
	char oldest[6], newest[6];
	size_t length;
	int at = 0;

	if (sscanf(text, "resume=%5[0-9]-%5[0-9] lbd=%n", oldest, newest, &at) != 2 || at == 0)
		return false;
	text += at;
	length = strcspn(text, "\n");
	if (text[length] != '\n' || length == 0 || length >= sizeof(answer.version))
		return false;
	memcpy(answer.version, text, length);
	answer.oldest = (unsigned)strtoul(oldest, NULL, 10);
	answer.newest = (unsigned)strtoul(newest, NULL, 10);
	if (answer.oldest == 0 || answer.oldest > answer.newest)
		return false;
	*out = answer;
	return true;
}

bool resume_answer_fits(const struct resume_answer *answer)
{
	return answer->oldest <= RESUME_VERSION && answer->newest >= RESUME_VERSION;
}
