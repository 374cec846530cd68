// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration file, by libyaml's document: a node knows its line and column, so that what is
 * well-formed but wrong can be named with its place as well.
 */
#include "edgepath/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define MAX_FILE (1u << 20)

struct reader {
	struct ep_arena *a;
	const char *name;
	yaml_document_t doc;
	struct ep_config *out;
	char *err;
	size_t err_len;
};

static int fail(struct reader *r, const yaml_mark_t *at, const char *fmt, ...) EP_PRINTF(3, 4);
static int fail(struct reader *r, const yaml_mark_t *at, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	snprintf(r->err, r->err_len, "%s:%zu:%zu: %s", ep_escape(r->a, r->name, strlen(r->name)),
		 at->line + 1, at->column + 1, ep_escape(r->a, buf, strlen(buf)));
	return -EINVAL;
}

/* A scalar's text; NULL if it is none, is empty or holds a NUL. */
static const char *text_of(struct reader *r, const yaml_node_t *n)
{
	const char *s;

	if (!n || n->type != YAML_SCALAR_NODE || !n->data.scalar.length)
		return NULL;
	s = ep_strndup(r->a, (const char *)n->data.scalar.value, n->data.scalar.length);
	return strlen(s) == n->data.scalar.length ? s : NULL;
}

static int port_of(struct reader *r, const yaml_node_t *n, uint16_t *ret)
{
	const char *s = text_of(r, n);
	uint64_t v;

	if (!s || !ep_parse_u64(s, 65535, &v) || !v)
		return fail(r, &n->start_mark, "%.100s is no port (1 to 65535)", s ? s : "this");
	*ret = (uint16_t)v;
	return 0;
}

static int take_ports(struct reader *r, const yaml_node_t *n)
{
	const yaml_node_item_t *item;

	if (n->type != YAML_SEQUENCE_NODE)
		return fail(r, &n->start_mark, "ports: a list is wanted, such as [80, 443]");
	for (item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
		uint16_t port;
		int e = port_of(r, yaml_document_get_node(&r->doc, *item), &port);
		bool twice = false;

		if (e)
			return e;
		ep_each(p, &r->out->ports)
			twice |= *p == port;
		if (!twice)
			*ep_push(r->a, &r->out->ports) = port;
	}
	return 0;
}

static int take_owner(struct reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	struct ep_config_owner o = {.line = (unsigned)value->start_mark.line + 1,
				    .column = (unsigned)value->start_mark.column + 1};
	int e = port_of(r, key, &o.port);

	if (e)
		return e;
	ep_each(old, &r->out->owners)
		if (old->port == o.port)
			return fail(r, &key->start_mark, "port %u has an owner already, in line %u",
				    o.port, old->line);
	o.who = text_of(r, value);
	if (!o.who)
		return fail(r, &value->start_mark,
			    "owner of port %u: a text is wanted, such as container:traefik",
			    o.port);
	*ep_push(r->a, &r->out->owners) = o;
	return 0;
}

static int take_owners(struct reader *r, const yaml_node_t *n)
{
	const yaml_node_pair_t *p;

	if (n->type != YAML_MAPPING_NODE)
		return fail(
			r, &n->start_mark,
			"owners: a port and its owner are wanted, such as 443: container:traefik");
	for (p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		int e = take_owner(r, yaml_document_get_node(&r->doc, p->key),
				   yaml_document_get_node(&r->doc, p->value));

		if (e)
			return e;
	}
	return 0;
}

static const struct {
	const char *key;
	int (*take)(struct reader *r, const yaml_node_t *n);
} keys[] = {
	{"ports", take_ports},
	{"owners", take_owners},
};

static int take_key(struct reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
	const char *word = text_of(r, key), *known = "";

	for (size_t i = 0; i < EP_ARRAY_SIZE(keys); i++) {
		if (word && !strcmp(keys[i].key, word))
			return keys[i].take(r, value);
		known = ep_sprintf(r->a, "%s%s%s", known, i ? ", " : "", keys[i].key);
	}
	return fail(r, &key->start_mark, "%.100s is not known here; there are: %s",
		    word ? word : "this", known);
}

static int take_document(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	const yaml_node_pair_t *p;

	if (!root || (root->type == YAML_SCALAR_NODE && !root->data.scalar.length))
		return 0; /* nothing but comments */
	if (root->type != YAML_MAPPING_NODE)
		return fail(r, &root->start_mark, "keys are wanted here, such as owners:");
	for (p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
		int e = take_key(r, yaml_document_get_node(&r->doc, p->key),
				 yaml_document_get_node(&r->doc, p->value));

		if (e)
			return e;
	}
	return 0;
}

int ep_config_parse(struct ep_arena *a, const char *name, const char *text, size_t len,
		    struct ep_config *ret, char *err, size_t err_len)
{
	struct ep_config out = {.file = ep_strdup(a, name)};
	struct reader r = {.a = a, .name = name, .out = &out, .err = err, .err_len = err_len};
	yaml_parser_t p;
	int e;

	*ret = (struct ep_config){};
	if (!yaml_parser_initialize(&p)) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	if (!yaml_parser_load(&p, &r.doc)) {
		e = fail(&r, &p.problem_mark, "%s%s%s", p.context ? p.context : "",
			 p.context ? ": " : "", p.problem ? p.problem : "no YAML");
		yaml_parser_delete(&p);
		return e;
	}
	e = take_document(&r);
	yaml_document_delete(&r.doc);
	yaml_parser_delete(&p);
	if (e == 0)
		*ret = out;
	return e;
}

int ep_config_load(struct ep_arena *a, const char *file, struct ep_config *ret, char *err,
		   size_t err_len)
{
	char *text;
	size_t len;
	int e = ep_read_file(a, file, MAX_FILE, &text, &len);

	*ret = (struct ep_config){};
	if (e < 0) {
		snprintf(err, err_len, "%s: %s", ep_escape(a, file, strlen(file)),
			 e == -EFBIG ? "larger than 1 MiB" : strerror(-e));
		return e;
	}
	return ep_config_parse(a, file, text, len, ret, err, err_len);
}
