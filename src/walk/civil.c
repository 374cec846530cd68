// SPDX-License-Identifier: GPL-2.0-or-later
/* Seconds since 1970 as date and time. */
#include "walk/civil.h"

#define DAYS_PER_4_YEARS   1461
#define DAYS_PER_400_YEARS 146097
/* Days from 0000-03-01 to 1970-01-01; years that begin with March have their leap day last. */
#define EPOCH 719468

struct ep_civil ep_civil_of(int64_t seconds)
{
	uint64_t days = (uint64_t)seconds / 86400, left = (uint64_t)seconds % 86400;
	uint64_t since = days + EPOCH, era = since / DAYS_PER_400_YEARS;
	uint64_t doe = since % DAYS_PER_400_YEARS;
	uint64_t yoe = (doe - doe / (DAYS_PER_4_YEARS - 1) + doe / 36524 -
			doe / (DAYS_PER_400_YEARS - 1)) /
		       365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), month = (5 * doy + 2) / 153;

	return (struct ep_civil){
		.year = (unsigned)(yoe + era * 400 + (month >= 10)),
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(doy - (153 * month + 2) / 5 + 1),
		.hour = (unsigned)(left / 3600),
		.minute = (unsigned)(left / 60 % 60),
		.weekday = (unsigned)((days + 4) % 7), /* 1970 began with a Thursday */
	};
}

const char *ep_weekday_name(unsigned weekday)
{
	static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday"};

	return names[weekday % 7];
}
