#include <stdio.h>
#include <string.h>

#include <lb/text.h>

static const struct unit {
	const char *suffix;
	lb_duration size;
} units[] = {
    {"h",  LB_SEC(3600)},
	 {"m",  LB_SEC(60)	 },
    {"s",  LB_SEC(1)   },
    {"ms", LB_MSEC(1)  },
	  {"us", LB_USEC(1)  },
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

/* What no unit divides is written in microseconds with a fraction. */
static void odd_nanoseconds(lb_duration d, char buf[static LB_DURATION_TEXT])
{
	unsigned fraction = (unsigned)(d % 1000) % 1000;
	int digits = 3;

	for (; fraction % 10 == 0; fraction /= 10)
		digits--;
	snprintf(buf, LB_DURATION_TEXT, "%lld.%0*uus", (long long)(d / 1000), digits, fraction);
}

const char *lb_duration_text(lb_duration d, char buf[static LB_DURATION_TEXT])
{
	if (d <= 0) {
		snprintf(buf, LB_DURATION_TEXT, "0");
		return buf;
	}
	for (size_t i = 0; i < UNIT_COUNT; i++)
		if (d % units[i].size == 0) {
			snprintf(buf, LB_DURATION_TEXT, "%lld%s", (long long)(d / units[i].size), units[i].suffix);
			return buf;
		}
	odd_nanoseconds(d, buf);
	return buf;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Value of one digit at a place worth `place`, added without overflow. */
static bool add_digit(lb_duration *total, char digit, lb_duration place)
{
	lb_duration part;

	return !__builtin_mul_overflow((lb_duration)(digit - '0'), place, &part) &&
	       !__builtin_add_overflow(*total, part, total);
}

bool lb_duration_parse(const char *text, lb_duration *out)
{
	size_t whole = strspn(text, "0123456789");
	const char *fraction = text + whole, *suffix = fraction;
	const struct unit *unit = NULL;
	lb_duration total = 0, place;

	if (strcmp(text, "0") == 0) {
		*out = 0;
		return true;
	}
	if (whole == 0)
		return false;
	if (*fraction == '.') {
		fraction++;
		suffix = fraction + strspn(fraction, "0123456789");
		if (suffix == fraction)
			return false;
	}
	for (size_t i = 0; i < UNIT_COUNT; i++)
		if (strcmp(suffix, units[i].suffix) == 0)
			unit = &units[i];
	if (!unit)
		return false;

	/* Digits from the point outwards, exactly: a fraction finer than a nanosecond is refused. */
	for (size_t i = 0; i < whole; i++)
		if (__builtin_mul_overflow(total, 10, &total) || !add_digit(&total, text[i], unit->size))
			return false;
	place = unit->size;
	for (; fraction < suffix && is_digit(*fraction); fraction++) {
		if (*fraction != '0' && (place < 10 || place % 10 != 0))
			return false;
		place /= 10;
		if (!add_digit(&total, *fraction, place))
			return false;
	}
	*out = total;
	return true;
}
