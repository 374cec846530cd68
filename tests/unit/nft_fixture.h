/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules, sets and elements as the kernel sent them, with the text that is expected (data/nft). */
#ifndef NFT_FIXTURE_H
#define NFT_FIXTURE_H

#include "edgepath/model.h"

struct nft_fixture_rule {
	struct ep_nft_chain *chain; /* one for each table */
	const uint8_t *payload;     /* of NFTA_RULE_EXPRESSIONS */
	size_t len;
	const char *text;
};

struct nft_fixture {
	EP_VEC(struct ep_nft_table *) tables;
	EP_VEC(struct nft_fixture_rule) rules;
};

/* The data is of a little-endian machine: values in host order make sense only there. */
bool nft_fixture_usable(void);
/* Aborts when the file is not there or malformed. */
void nft_fixture_load(struct ep_arena *a, const char *name, struct nft_fixture *ret);
/* Bytes of a string of hexadecimal digits (until the first other character), in memory of their own. */
uint8_t *nft_fixture_bytes(struct ep_arena *a, const char *hex, size_t *ret_len);
void *nft_fixture_file(struct ep_arena *a, const char *path, size_t *ret_len);

#endif
