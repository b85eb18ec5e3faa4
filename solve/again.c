/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "again.h"

#include <solv/evr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void push_text(ps *p, const char *s)
{
  for (; *s; s++)
    queue_push(&p->out, PS_TEXT - 1 - (unsigned char)*s);
  queue_push(&p->out, PS_TEXT);
}

static void push_truth(ps *p, int yes)
{
  queue_push(&p->out, yes ? PS_TRUE : PS_FALSE);
}

static void push_providers(ps *p, Id dep)
{
  queue_push(&p->out, PS_LIST);
  for (Id *id = pool_whatprovides_ptr(p->pool, dep); *id; id++)
    queue_push(&p->out, *id);
  queue_push(&p->out, PS_END);
}

/* The solver takes dependencies apart at rich operators, and asks of all else who provides it. How a dependency is written
 * counts only in ordering the steps: which files are needed before (order.c). */
static void push_dep(ps *p, Id dep)
{
  Pool *pool = p->pool;
  Reldep *rd = ISRELDEP(dep) ? GETRELDEP(pool, dep) : NULL;
  if (rd && rd->flags > 7) {
    switch (rd->flags) {
    case REL_COND:
    case REL_UNLESS:
      queue_push(&p->out, PS_CONDITION); /* fall through */
    case REL_AND:
    case REL_OR:
    case REL_WITH:
    case REL_WITHOUT:
    case REL_ELSE:
      queue_push2(&p->out, PS_RICH, -100 - rd->flags);
      push_dep(p, rd->name);
      push_dep(p, rd->evr);
      queue_push(&p->out, PS_END);
      break;
    default: /* namespaces above all */
      queue_push(&p->out, PS_STRANGE);
    }
  } else {
    const char *name = pool_id2str(pool, rd ? rd->name : dep);
    if (*name == '/' || !strncmp(name, "rpmlib(", 7))
      push_text(p, name);
  }
  push_providers(p, dep);
}

static void push_deps(ps *p, Id section, Solvable *s, Offset deps)
{
  if (!deps)
    return;
  queue_push(&p->out, section);
  for (Id *dep = s->repo->idarraydata + deps; *dep; dep++) {
    if (*dep == SOLVABLE_PREREQMARKER)
      queue_push(&p->out, PS_PRE);
    else
      push_dep(p, *dep);
  }
}

/* Obsoletes are of names and versions. Those of what is installed are compared with each other as they are written (yumobs
 * rules). */
static void push_obsoletes(ps *p, Solvable *s)
{
  Pool *pool = p->pool;
  if (!s->obsoletes)
    return;
  queue_push(&p->out, PS_OBSOLETES);
  for (Id *dep = s->repo->idarraydata + s->obsoletes; *dep; dep++) {
    int installed = 0;
    queue_push(&p->out, PS_LIST);
    for (Id *id = pool_whatprovides_ptr(pool, *dep); *id; id++) {
      if (*id != SYSTEMSOLVABLE && pool_match_nevr(pool, pool->solvables + *id, *dep)) {
        queue_push(&p->out, PS_NEVR);
        installed = installed || pool->solvables[*id].repo == pool->installed;
      }
      queue_push(&p->out, *id);
    }
    queue_push(&p->out, PS_END);
    if (installed)
      push_text(p, pool_dep2str(pool, *dep));
  }
}

/* The packages of its name, and how their versions compare with its own. */
static void push_named(ps *p, Id id)
{
  Pool *pool = p->pool;
  Solvable *s = pool->solvables + id;
  queue_push(&p->out, PS_NAMED);
  for (Id *q = pool_whatprovides_ptr(pool, s->name); *q; q++) {
    Solvable *o = pool->solvables + *q;
    if (o->name != s->name)
      continue;
    queue_push(&p->out, *q);
    int order = pool_evrcmp(pool, o->evr, s->evr, EVRCMP_COMPARE);
    queue_push2(&p->out, order < 0 ? -30 : order > 0 ? -32 : -31, o->evr == s->evr ? PS_TRUE : PS_FALSE);
    push_truth(p, o->vendor == s->vendor);
  }
}

/* Of packages of several names that provide the same the solver prefers those with the newer version of it. */
static void push_versions(ps *p, Solvable *s)
{
  Pool *pool = p->pool;
  if (!s->provides)
    return;
  for (Id *dep = s->repo->idarraydata + s->provides; *dep; dep++) {
    if (!ISRELDEP(*dep))
      continue;
    for (Id *id = pool_whatprovides_ptr(pool, GETRELDEP(pool, *dep)->name); *id; id++)
      if (pool->solvables[*id].name != s->name) {
        push_text(p, pool_dep2str(pool, *dep));
        break;
      }
  }
}

void ps_shape(ps *p, Id id, const unsigned char *multi)
{
  Pool *pool = p->pool;
  Solvable *s = pool->solvables + id;
  int installed = s->repo == pool->installed;
  queue_empty(&p->out);
  push_deps(p, PS_REQUIRES, s, s->requires);
  push_deps(p, PS_RECOMMENDS, s, s->recommends);
  push_deps(p, PS_SUGGESTS, s, s->suggests);
  push_deps(p, PS_CONFLICTS, s, s->conflicts);
  push_obsoletes(p, s);
  push_deps(p, PS_SUPPLEMENTS, s, s->supplements);
  push_deps(p, PS_ENHANCES, s, s->enhances);
  push_named(p, id);
  if (installed) {
    queue_push(&p->out, PS_UPDATES);
    push_providers(p, s->name);
  }
  queue_push(&p->out, PS_ITSELF);
  push_truth(p, installed);
  push_truth(p, pool_installable(pool, s));
  push_truth(p, pool_disabled_solvable(pool, s));
  push_truth(p, multi[id]);
  push_versions(p, s);
  const char *name = pool_id2str(pool, s->name);
  if (strchr(name, ':')) /* "patch:" and links between packages */
    queue_push(&p->out, PS_STRANGE);
  if (!strncmp(name, "ptf-", 4)) /* SUSE's: their requirements are of names alone */
    queue_push(&p->out, PS_STRANGE);
}

Id ps_first(ps *p, const Id *ids, int n)
{
  Pool *pool = p->pool;
  Id first = n ? ids[0] : 0;
  int alone = 1;
  for (int i = 1; i < n; i++) {
    Solvable *s = pool->solvables + ids[i], *best = pool->solvables + first;
    if (s->name != best->name || s->arch != best->arch)
      return 0;
    int order = pool_evrcmp(pool, s->evr, best->evr, EVRCMP_COMPARE);
    if (order > 0) {
      first = ids[i];
      alone = 1;
    } else if (!order)
      alone = 0;
  }
  if (n > 1)
    for (int i = 0; i < n; i++)
      if (pool->solvables[ids[i]].repo == pool->installed)
        return 0;
  return alone ? first : 0;
}
