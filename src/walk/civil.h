/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EP_WALK_CIVIL_H
#define EP_WALK_CIVIL_H

#include <stdint.h>

#define EP_CIVIL_MAX 253402300799ll /* the last second of the year 9999 */

struct ep_civil {
	unsigned year, month, day, hour, minute;
	unsigned weekday; /* 0: Sunday */
};

/* Of seconds since 1970, 0 to EP_CIVIL_MAX. */
struct ep_civil ep_civil_of(int64_t seconds);
const char *ep_weekday_name(unsigned weekday);

#endif
