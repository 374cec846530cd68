/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of proxies' command lines share; each sets proxy_ways of the process. */
#ifndef EP_PROXIES_H
#define EP_PROXIES_H

#include "collect/owners_i.h"

struct ep_proxy_reader {
	struct ep_arena *a;
	struct ep_proc *p;
	struct ep_proxy *proxy;
};

/* ---- ways ---- */

/* The new way; NULL if there are too many of them. */
struct ep_proxy_way *ep_proxy_way_add(struct ep_proxy_reader *r, struct ep_proxy_way way);
/* A way to something that is no address: what it is called. */
void ep_proxy_name_add(struct ep_proxy_reader *r, const char *name);
bool ep_proxy_port(const char *s, uint16_t *ret);
/* "80" or "80-90" */
bool ep_proxy_port_range(struct ep_arena *a, const char *s, uint16_t *ret_lo, uint16_t *ret_hi);
/* An address or "localhost" of a family (4, 6; 0: any); false: a name, of which nobody here knows more. */
bool ep_proxy_host_add(struct ep_proxy_reader *r, struct ep_proxy_way way, const char *host,
		       int family);
/* The same for "host:port", "[v6]:port". */
bool ep_proxy_host_port_add(struct ep_proxy_reader *r, struct ep_proxy_way way, const char *s,
			    int family);

/* ---- options, as getopt_long() goes over them ---- */

struct ep_proxy_options {
	const char *with_value;        /* letters of short options that have a value */
	const char *const *long_value; /* long ones, without dashes; ends with NULL */
};

struct ep_proxy_opt {
	const char *name, *value; /* value: NULL if none */
	size_t name_len;
};

/*
 * The option at *i, which is moved behind it; false at the first word that is none. One dash with
 * several letters is a letter and its value, or a group of letters, of which the last one is returned.
 */
bool ep_proxy_option(const struct ep_proc *p, const struct ep_proxy_options *o, size_t *i,
		     struct ep_proxy_opt *ret);
bool ep_proxy_is_option(const struct ep_proxy_opt *o, const char *letter, const char *name);

/* ---- rows of the table; false: the program does something else ---- */

bool ep_proxy_docker(struct ep_proxy_reader *r);
bool ep_proxy_socket_proxyd(struct ep_proxy_reader *r);
bool ep_proxy_socat(struct ep_proxy_reader *r);
bool ep_proxy_kubectl(struct ep_proxy_reader *r);
bool ep_proxy_ssh(struct ep_proxy_reader *r);
bool ep_proxy_sshd(struct ep_proxy_reader *r);
bool ep_proxy_pasta(struct ep_proxy_reader *r);
bool ep_proxy_slirp4netns(struct ep_proxy_reader *r);
bool ep_proxy_rootlesskit(struct ep_proxy_reader *r);
bool ep_proxy_rootlessport(struct ep_proxy_reader *r);

#endif
