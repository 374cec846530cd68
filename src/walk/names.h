/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EP_WALK_NAMES_H
#define EP_WALK_NAMES_H

#include <stdint.h>

const char *ep_family_name(uint8_t nfproto); /* NFPROTO_* as nft writes it: "ip", "inet"… */
const char *ep_hook_name(unsigned hooknum);  /* NF_INET_*: "prerouting"… */

#endif
