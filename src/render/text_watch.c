// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The live view for people:
 *
 *   edge-01  80, 443, 8080 on 203.0.113.10            12 s, Ctrl-C ends it
 *
 *   PORT  ADDRESS        ENDS AT                                 CONN/S  TOTAL  PREDICTED
 *   443   203.0.113.10   container traefik (172.18.0.2:443)        12.0    144  yes
 *   443   203.0.113.10   dropped: NETFILTER_DROP, nf_hook_slow      0.5      6  NO
 *
 * and the same in lines where nothing can be redrawn.
 */
#include <stdio.h>
#include <string.h>

#include "render/render_i.h"

#define HOME  "\033[H"
#define CLEAR "\033[J"

static const char *expected_word(enum ep_expected e)
{
	return e == EP_EXPECT_YES ? "yes" : e == EP_EXPECT_NO ? "NO" : "?";
}

static enum ep_paint paint_of(const struct ep_watch_end *e)
{
	if (e->expected == EP_EXPECT_NO)
		return EP_RED;
	return strcmp(e->result, "landed") ? EP_YELLOW : EP_PLAIN;
}

/* "container traefik (172.18.0.2:443)", "refused at 172.18.0.9:443" */
static const char *end_text(struct ep_text *t, const struct ep_snapshot *s,
			    const struct ep_watch_end *e)
{
	char buf[EP_ADDRSTR];
	const char *at = ep_addrport_str(&e->final, e->final_port, buf), *via = "";
	const char *place = ep_sprintf(t->a, " at %s", at);

	if (e->netns == s->host_netns && e->final_port == e->port &&
	    ep_addr_eq(&e->final, &e->addr))
		place = "";
	if (e->via)
		via = ep_sprintf(t->a, ", by %s (pid %d)", ep_text_escape(t, e->via->comm),
				 e->via->pid);
	if (!strcmp(e->result, "refused"))
		return ep_sprintf(t->a, "refused%s: nobody listens%s", place, via);
	if (!strcmp(e->result, "dropped"))
		return ep_sprintf(t->a, "dropped: %s%s%s%s", ep_text_escape(t, e->reason),
				  e->location ? ", in " : "", ep_text_escape(t, e->location),
				  place);
	if (!strcmp(e->result, "overflowed"))
		return ep_sprintf(t->a, "dropped: the queue of %s is full%s",
				  ep_who_text(t->a, &e->who), place);
	return ep_sprintf(t->a, "%s%s%s", ep_who_text(t->a, &e->who), place, via);
}

static const char *ports_text(struct ep_text *t, const struct ep_watch_doc *d)
{
	ep_strs ports = {}, addrs = {};
	char buf[EP_ADDRSTR];

	ep_each(p, &d->ports)
		*ep_push(t->a, &ports) = ep_sprintf(t->a, "%u", *p);
	ep_each(e, &d->edges)
		*ep_push(t->a, &addrs) = ep_strdup(t->a, ep_addr_str(e, buf));
	return ep_sprintf(t->a, "%s%s%s", ep_text_join(t->a, &ports, ", "), addrs.n ? " on " : "",
			  ep_text_join(t->a, &addrs, ", "));
}

static const char *rate(struct ep_text *t, double per_second)
{
	return ep_sprintf(t->a, per_second < 100 ? "%.1f" : "%.0f", per_second);
}

static const char *milliseconds(struct ep_text *t, uint64_t ns)
{
	return ns ? ep_sprintf(t->a, "%.2f ms", (double)ns / 1e6) : "";
}

static void put_lost(struct ep_text *t, const struct ep_watch_doc *d)
{
	uint64_t seen = 0, lost = 0;

	ep_each(c, &d->cpus) {
		seen += c->seen;
		lost += c->lost;
	}
	if (lost)
		ep_text_wrap(t, "", "",
			     ep_sprintf(t->a,
					"%llu of %llu single connections were not told; the counts "
					"above hold them.",
					(unsigned long long)lost, (unsigned long long)seen));
	if (d->unrowed)
		ep_text_wrap(
			t, "", "",
			ep_sprintf(t->a,
				   "%llu connections are not counted above: too many different "
				   "ends.",
				   (unsigned long long)d->unrowed));
}

/* ---- a table ---- */

#define RIGHT 34 /* columns after ENDS AT */

static void put_table_row(struct ep_text *t, const struct ep_watch_doc *d,
			  const struct ep_watch_end *e, unsigned addr_width)
{
	unsigned room = t->style->width - 6 - addr_width - RIGHT;
	char buf[EP_ADDRSTR];

	ep_text_cell(t, ep_sprintf(t->a, "%u", e->port), 6, EP_PLAIN);
	ep_text_cell(t, ep_text_cut(t, ep_addr_str(&e->addr, buf), addr_width - 1), addr_width,
		     EP_PLAIN);
	ep_text_cell(t, ep_text_cut(t, end_text(t, d->doc.s, e), room - 1), room, paint_of(e));
	ep_text_cell(t, ep_sprintf(t->a, "%8s", rate(t, e->per_second)), 8, EP_PLAIN);
	ep_text_cell(t, ep_sprintf(t->a, "%10llu", (unsigned long long)e->total), 10, EP_PLAIN);
	ep_text_cell(t, "", 2, EP_PLAIN);
	ep_text_cell(t, expected_word(e->expected), 0, paint_of(e));
	ep_text_newline(t);
	if (e->expected == EP_EXPECT_NO && e->prediction)
		ep_text_wrap(t, "      predicted: ", "                 ", e->prediction);
	ep_each(k, &e->workers)
		ep_text_wrap(t, "      ", "        ",
			     ep_sprintf(t->a, "%llu by %s%s", (unsigned long long)k->n,
					ep_who_text(t->a, &k->who),
					strcmp(k->by, "listener") ? "" : " (holds the socket)"));
}

static unsigned address_width(const struct ep_watch_doc *d)
{
	unsigned widest = 8;
	char buf[EP_ADDRSTR];

	ep_each(e, &d->ends) {
		unsigned w = ep_text_width(ep_addr_str(&e->addr, buf));

		widest = w > widest ? w : widest;
	}
	return (widest > 24 ? 24 : widest) + 1;
}

static void put_table(struct ep_text *t, const struct ep_watch_doc *d)
{
	unsigned aw = address_width(d), room = t->style->width - 6 - aw - RIGHT;

	ep_text_cell(t, "PORT", 6, EP_BOLD);
	ep_text_cell(t, "ADDRESS", aw, EP_BOLD);
	ep_text_cell(t, "ENDS AT", room, EP_BOLD);
	ep_text_cell(t, "  CONN/S     TOTAL  PREDICTED", 0, EP_BOLD);
	ep_text_newline(t);
	ep_each(e, &d->ends)
		put_table_row(t, d, e, aw);
	if (!d->ends.n)
		ep_buf_puts(t->out, "no connection yet\n");
	put_lost(t, d);
}

/* ---- lines ---- */

static void put_line(struct ep_text *t, const struct ep_watch_doc *d, const struct ep_watch_end *e)
{
	char buf[EP_ADDRSTR];

	ep_buf_printf(t->out, "%.8s  %s  %s/s  %llu  %s", d->doc.generated_at + 11,
		      ep_addrport_str(&e->addr, e->port, buf), rate(t, e->per_second),
		      (unsigned long long)e->total,
		      ep_text_paint(t, end_text(t, d->doc.s, e), paint_of(e)));
	if (e->expected == EP_EXPECT_NO)
		ep_buf_printf(t->out, "  NOT PREDICTED%s%s", e->prediction ? ": " : "",
			      e->prediction ? e->prediction : "");
	ep_buf_puts(t->out, "\n");
}

static void put_flow(struct ep_text *t, const struct ep_watch_doc *d)
{
	const struct ep_watch_flow *f = d->flow;
	const char *arrow = t->style->utf8 ? "→" : "->";
	char src[EP_ADDRSTR], dst[EP_ADDRSTR];

	ep_buf_printf(t->out, "%.12s  %s %s %s %s %s  %s", f->time + 11,
		      ep_addrport_str(&f->src, f->sport, src), arrow,
		      ep_addrport_str(&f->end->addr, f->end->port, dst), arrow,
		      ep_text_paint(t, end_text(t, d->doc.s, f->end), paint_of(f->end)),
		      milliseconds(t, f->synack_ns));
	if (f->end->expected == EP_EXPECT_NO)
		ep_buf_printf(t->out, "  NOT PREDICTED%s%s", f->end->prediction ? ": " : "",
			      f->end->prediction ? f->end->prediction : "");
	ep_text_newline(t);
}

static void put_head(struct ep_text *t, const struct ep_watch_doc *d)
{
	const struct ep_netns *ns = ep_netns_find(d->doc.s, d->doc.s->host_netns);
	bool named = d->doc.netns_arg && ns && ns->name;
	const char *left = ep_sprintf(t->a, "%s%s  %s", named ? "namespace " : "",
				      ep_text_escape(t, named ? ns->name : d->doc.s->hostname),
				      ports_text(t, d));

	ep_text_wrap(t, "", "", left);
	if (d->lacks)
		ep_text_wrap(t, "", "",
			     ep_sprintf(t->a, "Not by BPF: %s. So %s.", d->lacks,
					"connections are taken from conntrack events and from "
					"lists of sockets: refused ones only where conntrack "
					"follows them, dropped ones and short ones without "
					"conntrack not at all"));
}

void ep_text_watch(struct ep_buf *out, const struct ep_watch_doc *d, const struct ep_style *st)
{
	struct ep_text t = {.out = out, .style = st, .a = ep_arena_new()};

	if (d->live && d->piece != EP_WATCH_END && d->piece != EP_WATCH_FLOW) {
		ep_buf_puts(out, HOME CLEAR);
		put_head(&t, d);
		ep_buf_printf(out, "%.8s UTC, Ctrl-C ends it\n\n", d->doc.generated_at + 11);
		put_table(&t, d);
	} else if (d->piece == EP_WATCH_START) {
		put_head(&t, d);
	} else if (d->piece == EP_WATCH_FLOW) {
		put_flow(&t, d);
	} else if (d->piece == EP_WATCH_CHANGE) {
		ep_buf_printf(out, "%.8s  %s: predicted anew\n", d->doc.generated_at + 11,
			      d->change);
	} else if (d->piece == EP_WATCH_INTERVAL) {
		ep_each(e, &d->ends)
			if (e->n)
				put_line(&t, d, e);
	} else {
		ep_buf_printf(out, "\n%.0f s in all\n", d->seconds);
		put_table(&t, d);
	}
	ep_arena_free(t.a);
}

/* ---- beside a check ---- */

static const char *probe_text(struct ep_text *t, const struct ep_snapshot *s,
			      const struct ep_watch_probe *p)
{
	char dst[EP_ADDRSTR], src[EP_ADDRSTR];

	ep_addrport_str(&p->addr, p->port, dst);
	ep_addrport_str(&p->src, p->sport, src);
	if (!p->end)
		return ep_sprintf(t->a, "%s to %s: %s; nothing was seen of it on this host", src,
				  dst, p->met);
	return ep_sprintf(t->a, "%s to %s: %s; %s%s", src, dst, p->met, end_text(t, s, p->end),
			  p->end->expected == EP_EXPECT_YES ? ", as predicted" :
			  p->end->expected == EP_EXPECT_NO  ? ", NOT as predicted" :
							      "");
}

void ep_text_seen(struct ep_text *t, const struct ep_snapshot *s, const struct ep_watch_seen *seen)
{
	uint64_t total = 0, other = 0, open = 0;

	ep_each(e, &seen->watch.ends) {
		if (!strcmp(e->result, "overflowed"))
			continue;
		total += e->total;
		other += e->expected == EP_EXPECT_NO ? e->total : 0;
		open += e->expected == EP_EXPECT_UNKNOWN ? e->total : 0;
	}
	ep_buf_puts(t->out, "\n");
	ep_text_wrap(t, "", "  ",
		     ep_sprintf(t->a, "Seen in %.0f s: %llu connection%s%s%s%s.",
				seen->watch.seconds, (unsigned long long)total,
				total == 1 ? "" : "s",
				!total          ? "" :
				!other && !open ? ", ended as predicted" :
						  "",
				other ? ep_sprintf(t->a, ", %llu not as predicted",
						   (unsigned long long)other) :
					"",
				open ? ep_sprintf(t->a, ", %llu of which that can't be said",
						  (unsigned long long)open) :
				       ""));
	if (seen->watch.lacks)
		ep_text_wrap(t, "", "  ", ep_sprintf(t->a, "Not by BPF: %s.", seen->watch.lacks));
	ep_each(p, &seen->probes)
		ep_text_wrap(t, "Tried: ", "  ", probe_text(t, s, p));
}
