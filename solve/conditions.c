/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "conditions.h"

#include <stdio.h>
#include <stdlib.h>

/* What can be said of a dependency wherever the base is installed. */
enum certainty { NO, MAYBE, YES };

static int is_rich(Pool *pool, Id dep)
{
  return ISRELDEP(dep) && GETRELDEP(pool, dep)->flags > 7;
}

static Id name_of(Pool *pool, Id dep)
{
  while (ISRELDEP(dep))
    dep = GETRELDEP(pool, dep)->name;
  return dep;
}

/* Whether a package is of the base, or another version of one that is, which can't come. */
static int of_base(Pool *pool, Id id)
{
  Solvable *s = pool->solvables + id;
  if (s->repo == pool->installed)
    return 1;
  for (Id *p = pool_whatprovides_ptr(pool, s->name); *p; p++)
    if (pool->solvables[*p].repo == pool->installed && pool->solvables[*p].name == s->name)
      return 1;
  return 0;
}

/* The base stays, and so does the package that asks. */
static enum certainty certain(Pool *pool, Id dep, Id self)
{
  int others = 0;
  for (Id *p = pool_whatprovides_ptr(pool, dep); *p; p++) {
    if (*p == self || pool->solvables[*p].repo == pool->installed)
      return YES;
    others = others || !of_base(pool, *p);
  }
  if (others || !ISRELDEP(dep) || is_rich(pool, dep))
    return MAYBE;
  Id *p = pool_whatprovides_ptr(pool, name_of(pool, dep));
  if (!*p)
    return MAYBE;
  for (; *p; p++)
    if (!of_base(pool, *p))
      return MAYBE;
  return NO;
}

#define NOT(c) (YES - (c))
#define AND(a, b) ((a) < (b) ? (a) : (b))
#define OR(a, b) ((a) > (b) ? (a) : (b))

static enum certainty judge(Pool *pool, Id dep, Id self)
{
  if (!is_rich(pool, dep))
    return certain(pool, dep, self);
  Reldep *rd = GETRELDEP(pool, dep);
  enum certainty a, b, c;
  Id condition;
  switch (rd->flags) {
  case REL_AND:
    a = judge(pool, rd->name, self), b = judge(pool, rd->evr, self);
    return AND(a, b);
  case REL_OR:
    a = judge(pool, rd->name, self), b = judge(pool, rd->evr, self);
    return OR(a, b);
  case REL_COND:
  case REL_UNLESS:
    a = judge(pool, rd->name, self);
    condition = rd->evr;
    if (is_rich(pool, condition) && GETRELDEP(pool, condition)->flags == REL_ELSE) {
      b = judge(pool, GETRELDEP(pool, condition)->name, self), c = judge(pool, GETRELDEP(pool, condition)->evr, self);
      if (rd->flags == REL_COND)
        return AND(OR(a, NOT(b)), OR(c, b));
      return OR(AND(a, NOT(b)), AND(c, b));
    }
    b = judge(pool, condition, self);
    return rd->flags == REL_COND ? OR(a, NOT(b)) : AND(a, NOT(b));
  }
  return certain(pool, dep, self);
}

/* Whether what comes can break what was met. */
static int can_break(Pool *pool, Id dep, Id self)
{
  if (!is_rich(pool, dep))
    return 0;
  Reldep *rd = GETRELDEP(pool, dep);
  if (rd->flags == REL_COND || rd->flags == REL_UNLESS) {
    Id condition = rd->evr, other = 0;
    if (is_rich(pool, condition) && GETRELDEP(pool, condition)->flags == REL_ELSE) {
      other = GETRELDEP(pool, condition)->evr;
      condition = GETRELDEP(pool, condition)->name;
    }
    return judge(pool, condition, self) == MAYBE || can_break(pool, rd->name, self) || (other && can_break(pool, other, self));
  }
  return can_break(pool, rd->name, self) || can_break(pool, rd->evr, self);
}

static const char *operator(int flags)
{
  switch (flags) {
  case REL_AND: return "and";
  case REL_OR: return "or";
  case REL_WITH: return "with";
  case REL_WITHOUT: return "without";
  case REL_COND: return "if";
  case REL_UNLESS: return "unless";
  case REL_ELSE: return "else";
  }
  return NULL;
}

/* Whether rpm could read a dependency again: libsolv has more kinds, and takes what it can't read for one of them. */
static int is_written(Pool *pool, Id dep)
{
  if (!is_rich(pool, dep))
    return !ISRELDEP(dep) || !ISRELDEP(GETRELDEP(pool, dep)->name);
  Reldep *rd = GETRELDEP(pool, dep);
  return operator(rd->flags) && is_written(pool, rd->name) && is_written(pool, rd->evr);
}

/* As rpm has it. Operators that can be chained are, within an operator of their own kind. */
static void write_dep(Pool *pool, Id dep, int within, FILE *to)
{
  if (!is_rich(pool, dep)) {
    fputs(pool_dep2str(pool, dep), to);
    return;
  }
  Reldep *rd = GETRELDEP(pool, dep);
  int chained = rd->flags == REL_ELSE || (rd->flags == within && (within == REL_AND || within == REL_OR || within == REL_WITH));
  if (!chained)
    fputc('(', to);
  write_dep(pool, rd->name, rd->flags, to);
  fprintf(to, " %s ", operator(rd->flags));
  write_dep(pool, rd->evr, rd->flags, to);
  if (!chained)
    fputc(')', to);
}

static void each_condition(ps *p, Id id, int weak, void (*yield)(Pool *pool, char kind, Id dep, void *data), void *data)
{
  static const struct { Id key; char kind; } kinds[] = { { SOLVABLE_REQUIRES, 'R' }, { SOLVABLE_CONFLICTS, 'C' }, { SOLVABLE_RECOMMENDS, 'W' } };
  Pool *pool = p->pool;
  Queue deps;
  queue_init(&deps);
  for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
    char kind = kinds[k].kind;
    if (kind == 'W' && !weak)
      continue;
    queue_empty(&deps);
    solvable_lookup_deparray(pool->solvables + id, kinds[k].key, &deps, 0);
    for (int i = 0; i < deps.count; i++) {
      Id dep = deps.elements[i];
      if (dep == SOLVABLE_PREREQMARKER || !is_written(pool, dep))
        continue;
      if (kind == 'C' ? judge(pool, dep, 0) != NO : can_break(pool, dep, id) && judge(pool, dep, id) != YES)
        yield(pool, kind, dep, data);
    }
  }
  queue_free(&deps);
}

static void write_condition(Pool *pool, char kind, Id dep, void *to)
{
  fputc(kind, to);
  write_dep(pool, dep, 0, to);
  fputc('\n', to);
}

void ps_conditions(ps *p, Id id, int weak)
{
  free(p->text);
  p->text = NULL;
  FILE *text = open_memstream(&p->text, &p->ntext);
  each_condition(p, id, weak, write_condition, text);
  fclose(text);
}

static void mark(Pool *pool, Id dep, unsigned char *about)
{
  if (is_rich(pool, dep)) {
    mark(pool, GETRELDEP(pool, dep)->name, about);
    mark(pool, GETRELDEP(pool, dep)->evr, about);
  } else
    about[name_of(pool, dep)] = 1;
}

static void mark_condition(Pool *pool, char kind, Id dep, void *about)
{
  (void)kind;
  mark(pool, dep, about);
}

void ps_named(ps *p, int weak, unsigned char *about)
{
  Pool *pool = p->pool;
  for (Id id = 2; id < pool->nsolvables; id++) {
    Solvable *s = pool->solvables + id;
    if (s->repo && (s->repo == pool->installed || pool_installable(pool, s)))
      each_condition(p, id, weak, mark_condition, about);
  }
}

void ps_meets(ps *p, Id id, const unsigned char *about)
{
  Pool *pool = p->pool;
  Solvable *s = pool->solvables + id;
  free(p->text);
  p->text = NULL;
  queue_empty(&p->out);
  solvable_lookup_deparray(s, SOLVABLE_PROVIDES, &p->out, 0);
  FILE *text = open_memstream(&p->text, &p->ntext);
  for (int i = 0; i < p->out.count; i++) {
    Id dep = p->out.elements[i];
    if (dep == SOLVABLE_FILEMARKER || !about[name_of(pool, dep)])
      continue;
    Reldep *rd = ISRELDEP(dep) ? GETRELDEP(pool, dep) : NULL;
    if (rd && rd->flags == REL_EQ && rd->name == s->name && rd->evr == s->evr)
      continue; /* its name says so */
    write_dep(pool, dep, 0, text);
    fputc('\n', text);
  }
  fclose(text);
}
