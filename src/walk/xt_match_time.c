// SPDX-License-Identifier: GPL-2.0-or-later
/* The time match, as net/netfilter/xt_time.c, at the time when the snapshot was taken. */
#include <linux/netfilter/xt_time.h>

#include "walk/civil.h"
#include "walk/xt.h"

#define SECONDS_PER_DAY 86400

static bool daytime_fits(const struct xt_time_info *i, int64_t *stamp)
{
	uint32_t now = (uint32_t)(*stamp % SECONDS_PER_DAY);

	if (i->daytime_start < i->daytime_stop)
		return now >= i->daytime_start && now <= i->daytime_stop;
	if (now < i->daytime_start && now > i->daytime_stop)
		return false;
	/* After midnight the day is still the one on which it began. */
	if (i->flags & XT_TIME_CONTIGUOUS && now <= i->daytime_stop)
		*stamp -= SECONDS_PER_DAY;
	return true;
}

bool ep_xt_time(struct ep_xt_and *a, const struct ep_xt_in *in)
{
	const struct xt_time_info *i = in->info;
	const struct ep_snapshot *s = a->w->s;
	int64_t stamp = (int64_t)s->taken_at;
	bool local = i->flags & XT_TIME_LOCAL_TZ;
	struct ep_civil c;

	/* iptables writes INT32_MAX where nothing is said */
	if (i->date_start == 0 && i->date_stop >= INT32_MAX && s->taken_at <= i->date_stop &&
	    i->daytime_start == XT_TIME_MIN_DAYTIME && i->daytime_stop == XT_TIME_MAX_DAYTIME &&
	    i->monthdays_match == XT_TIME_ALL_MONTHDAYS &&
	    i->weekdays_match == XT_TIME_ALL_WEEKDAYS)
		return true;
	if (!s->taken_at || s->taken_at > EP_CIVIL_MAX || (local && !s->has_tz))
		return ep_xt_need_unknown(a, "depends on the time, which is not in the snapshot");
	if (local)
		stamp -= (int64_t)60 * s->tz_minuteswest;
	if (stamp < 0)
		return ep_xt_need_unknown(a, "depends on the time, which is before 1970");
	c = ep_civil_of(stamp);
	ep_w_now(a->w, "it is %s, %04u-%02u-%02u %02u:%02u %s", ep_weekday_name(c.weekday), c.year,
		 c.month, c.day, c.hour, c.minute, local ? "by the kernel's time zone" : "UTC");
	if (stamp < i->date_start || stamp > i->date_stop || !daytime_fits(i, &stamp) || stamp < 0)
		return false;
	c = ep_civil_of(stamp);
	/* 1 to 7, Sunday is the last */
	if (!(i->weekdays_match >> (c.weekday ? c.weekday : 7) & 1))
		return false;
	return i->monthdays_match == XT_TIME_ALL_MONTHDAYS || i->monthdays_match >> c.day & 1;
}
