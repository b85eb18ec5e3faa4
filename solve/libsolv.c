/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "libsolv.h"

#include <solv/evr.h>
#include <solv/poolarch.h>
#include <solv/problems.h>
#include <solv/repo_rpmdb.h>
#include <solv/repo_rpmmd.h>
#include <solv/solv_xfopen.h>
#include <solv/solver.h>
#include <solv/solverdebug.h>
#include <solv/transaction.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *message(const char *format, ...)
{
  char *s = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&s, format, args) < 0)
    s = NULL;
  va_end(args);
  return s ? s : strdup("out of memory");
}

/* The solver tells of each conflict that it finds, and in no other way that this program could see. */
static void debugged(Pool *pool, void *data, int type, const char *text)
{
  ps *p = data;
  (void)pool;
  if (type & (SOLV_DEBUG_ANALYZE | SOLV_DEBUG_UNSOLVABLE))
    p->conflicts = 1;
  else if (type & (SOLV_FATAL | SOLV_ERROR))
    fputs(text, stderr);
}

/* A ps whose pool is empty and set as dnf sets its own (libdnf 0.69, dnf_sack_init): the packages of a name that are for
 * different word sizes are installed side by side and in one version; whatprovides has what may not be chosen, too. */
static ps *make(void)
{
  ps *p = calloc(1, sizeof(*p));
  if (!p)
    abort();
  p->pool = pool_create();
  /* Debian's libsolv is built for several kinds of packages and starts as dpkg's; elsewhere this changes nothing. */
  pool_setdisttype(p->pool, DISTTYPE_RPM);
  pool_set_flag(p->pool, POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1);
  pool_set_flag(p->pool, POOL_FLAG_WHATPROVIDESWITHDISABLED, 1);
  pool_setdebugcallback(p->pool, debugged, p);
  pool_setdebugmask(p->pool, SOLV_DEBUG_ANALYZE | SOLV_DEBUG_UNSOLVABLE);
  queue_init(&p->out);
  queue_init(&p->obsoleters);
  return p;
}

ps *ps_new(const char *arch)
{
  ps *p = make();
  pool_setarch(p->pool, arch);
  return p;
}

static void consider_all(Pool *pool)
{
  if (!pool->considered)
    return;
  map_free(pool->considered);
  free(pool->considered);
  pool->considered = NULL;
}

void ps_free(ps *p)
{
  queue_free(&p->out);
  queue_free(&p->obsoleters);
  free(p->text);
  consider_all(p->pool);
  pool_free(p->pool);
  free(p);
}

void ps_stop(ps *p)
{
  p->stop = 1;
}

static void text_clear(ps *p)
{
  free(p->text);
  p->text = NULL;
  p->ntext = 0;
}

/* ---- reading ---- */

Repo *ps_add_repo(ps *p, const char *name)
{
  return repo_create(p->pool, name);
}

/* A stream that ends in an error after so many bytes, so that a small file can't unpack to fill the memory, and when the
 * work is to stop. */
struct bounded {
  FILE *from;
  unsigned long long left;
  int over;
  volatile int *stop;
};

static ssize_t bounded_read(void *cookie, char *buf, size_t n)
{
  struct bounded *b = cookie;
  if (*b->stop) {
    errno = ECANCELED;
    return -1;
  }
  if (n > b->left)
    n = b->left + 1;
  n = fread(buf, 1, n, b->from);
  if (n > b->left) {
    b->over = 1;
    errno = EFBIG;
    return -1;
  }
  if (!n && ferror(b->from))
    return -1;
  b->left -= n;
  return n;
}

char *ps_read_rpmmd(ps *p, Repo *repo, const char *path, unsigned long long max, int extend)
{
  struct bounded b = { solv_xfopen(path, "r"), max, 0, &p->stop };
  if (!b.from)
    return message("it can't be opened or unpacked: %s", strerror(errno));
  FILE *fp = fopencookie(&b, "r", (cookie_io_functions_t){ .read = bounded_read });
  if (!fp) {
    fclose(b.from);
    return message("it can't be read: %s", strerror(errno));
  }
  char *err = NULL;
  int failed = repo_add_rpmmd(repo, fp, 0, extend ? REPO_EXTEND_SOLVABLES | REPO_LOCALPOOL : 0);
  if (b.over)
    err = message("it unpacks to more than %llu bytes", max);
  else if (failed)
    err = message("%s", pool_errstr(p->pool));
  else if (ferror(fp))
    err = message("it can't be unpacked");
  p->unpacked = max - b.left;
  fclose(fp);
  fclose(b.from);
  return err;
}

char *ps_read_rpmdb(ps *p, Repo *repo, const char *root)
{
  pool_set_rootdir(p->pool, root);
  char *err = NULL;
  repo_empty(repo, 1); /* it may have been tried before */
  if (repo_add_rpmdb(repo, 0, REPO_USE_ROOTDIR))
    err = message("%s", pool_errstr(p->pool));
  pool_set_rootdir(p->pool, NULL);
  pool_set_installed(p->pool, repo);
  return err;
}

static int wants_file(Pool *pool, Id dep)
{
  while (ISRELDEP(dep)) {
    Reldep *rd = GETRELDEP(pool, dep);
    if (rd->flags > 7 && wants_file(pool, rd->evr))
      return 1;
    dep = rd->name;
  }
  const char *s = pool_id2str(pool, dep);
  /* what createrepo_c puts into primary.xml */
  return *s == '/' && strncmp(s, "/etc/", 5) && !strstr(s, "bin/") && strcmp(s, "/usr/lib/sendmail");
}

int ps_wants_filelists(ps *p)
{
  static const Id keys[] = { SOLVABLE_REQUIRES, SOLVABLE_CONFLICTS, SOLVABLE_OBSOLETES, SOLVABLE_RECOMMENDS, SOLVABLE_SUPPLEMENTS };
  Pool *pool = p->pool;
  for (Id id = 2; id < pool->nsolvables && !p->stop; id++) {
    Solvable *s = pool->solvables + id;
    if (!s->repo)
      continue;
    for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
      queue_empty(&p->out);
      solvable_lookup_deparray(s, keys[k], &p->out, 0);
      for (int i = 0; i < p->out.count; i++)
        if (p->out.elements[i] != SOLVABLE_PREREQMARKER && wants_file(pool, p->out.elements[i]))
          return 1;
    }
  }
  return 0;
}

static int compare_pairs(const void *a, const void *b, void *data)
{
  const Id *x = a, *y = b;
  (void)data;
  return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

/* Notes who obsoletes whom, as dnf looks for it: by name and version, whatever the architectures (libdnf's
 * Query::Impl::filterObsoletes). */
static void find_obsoleters(ps *p)
{
  Pool *pool = p->pool;
  queue_empty(&p->obsoleters);
  for (Id by = 2; by < pool->nsolvables; by++) {
    Solvable *s = pool->solvables + by;
    if (!s->repo || !s->obsoletes || s->repo != pool->installed && !pool_installable(pool, s))
      continue;
    for (Id *dep = s->repo->idarraydata + s->obsoletes; *dep; dep++)
      for (Id *id = pool_whatprovides_ptr(pool, *dep); *id; id++)
        if (*id != by && *id != SYSTEMSOLVABLE && pool_match_nevr(pool, pool->solvables + *id, *dep))
          queue_push2(&p->obsoleters, *id, by);
  }
  solv_sort(p->obsoleters.elements, p->obsoleters.count / 2, 2 * sizeof(Id), compare_pairs, NULL);
}

void ps_prepare(ps *p)
{
  pool_addfileprovides(p->pool);
  pool_createwhatprovides(p->pool);
  find_obsoleters(p);
}

void ps_leave_out(ps *p)
{
  Pool *pool = p->pool;
  consider_all(pool);
  pool->considered = solv_malloc(sizeof(Map));
  map_init(pool->considered, pool->nsolvables);
  map_setall(pool->considered);
  for (int i = 0; i < p->out.count; i++)
    MAPCLR(pool->considered, p->out.elements[i]);
  pool_createwhatprovides(pool);
  find_obsoleters(p);
}

/* Packages that are added later are considered as well. */
static void consider(Pool *pool, Id first, int n)
{
  if (!pool->considered)
    return;
  map_grow(pool->considered, pool->nsolvables);
  for (Id id = first; id < first + n; id++)
    MAPSET(pool->considered, id);
}

static Offset copy_deps(Repo *to, Repo *from, Offset deps)
{
  Offset copy = 0;
  if (!deps)
    return 0;
  for (Id *id = from->idarraydata + deps; *id; id++)
    copy = repo_addid(to, copy, *id);
  return copy;
}

void ps_install(ps *p)
{
  Pool *pool = p->pool;
  Repo *base = repo_create(pool, "base");
  Id first = repo_add_solvable_block(base, p->out.count);
  consider(pool, first, p->out.count);
  for (int i = 0; i < p->out.count; i++) {
    Solvable *to = pool->solvables + first + i, *from = pool->solvables + p->out.elements[i];
    to->name = from->name;
    to->arch = from->arch;
    to->evr = from->evr;
    to->vendor = from->vendor;
#define COPY(what) to->what = copy_deps(base, from->repo, from->what)
    COPY(provides); COPY(obsoletes); COPY(conflicts); COPY(requires);
    COPY(recommends); COPY(suggests); COPY(supplements); COPY(enhances);
#undef COPY
  }
  pool_set_installed(pool, base);
  pool_createwhatprovides(pool);
  find_obsoleters(p);
}

/* Whether the base alone meets a requirement. */
static int met(Pool *pool, Id dep)
{
  if (ISRELDEP(dep)) {
    Reldep *rd = GETRELDEP(pool, dep);
    if (rd->flags == REL_OR)
      return met(pool, rd->name) || met(pool, rd->evr);
    if (rd->flags == REL_AND)
      return met(pool, rd->name) && met(pool, rd->evr);
    if (rd->flags > 7)
      return 0;
  }
  for (Id *p = pool_whatprovides_ptr(pool, dep); *p; p++)
    if (pool->solvables[*p].repo == pool->installed)
      return 1;
  return 0;
}

/* A copy of a list of dependencies without those that drop says. */
static Offset filter(Repo *repo, Offset deps, Map *candidates, int (*drop)(Pool *, Id, Map *))
{
  Offset kept = 0;
  if (!deps)
    return 0;
  for (Offset i = deps; repo->idarraydata[i]; i++) /* the array moves as it grows */
    if (!drop(repo->pool, repo->idarraydata[i], candidates))
      kept = repo_addid(repo, kept, repo->idarraydata[i]);
  return kept;
}

static int is_met(Pool *pool, Id dep, Map *candidates)
{
  (void)candidates;
  return dep != SOLVABLE_PREREQMARKER && met(pool, dep);
}

static int decides_nothing(Pool *pool, Id dep, Map *candidates)
{
  for (Id *p = pool_whatprovides_ptr(pool, dep); *p; p++)
    if (MAPTST(candidates, *p))
      return 0;
  return 1;
}

/* Takes out what can't change an answer where recommendations aren't followed, since the solver makes rules for all that can be reached from a package through
 * whatever might be provided or recommended, and most of its time goes into that. Requirements that the base meets
 * are met for ever. Recommendations that aren't followed only tip a choice between packages of different names, so those
 * of packages that no requirement leaves a choice about go. A name leaves one between its packages and those that obsolete
 * them. */
static void thin(Pool *pool, const Queue *obsoleters)
{
  Map candidates;
  map_init(&candidates, pool->nsolvables);
  for (int i = 0; i < obsoleters->count; i++)
    MAPSET(&candidates, obsoleters->elements[i]);
  for (Id id = 2; id < pool->nsolvables; id++) {
    Solvable *s = pool->solvables + id;
    if (!s->repo)
      continue;
    s->requires = s->repo == pool->installed ? 0 : filter(s->repo, s->requires, NULL, is_met);
    if (!s->requires)
      continue;
    for (Id *dep = s->repo->idarraydata + s->requires; *dep; dep++) {
      if (*dep == SOLVABLE_PREREQMARKER)
        continue;
      Id *list = pool_whatprovides_ptr(pool, *dep), *p = list;
      while (*p && pool->solvables[*p].name == pool->solvables[*list].name)
        p++;
      if (*p)
        for (p = list; *p; p++)
          MAPSET(&candidates, *p);
    }
  }
  for (Id id = 2; id < pool->nsolvables; id++) {
    Solvable *s = pool->solvables + id;
    if (!s->repo)
      continue;
    s->recommends = filter(s->repo, s->recommends, &candidates, decides_nothing);
    s->suggests = filter(s->repo, s->suggests, &candidates, decides_nothing);
  }
  map_free(&candidates);
}

/* Ids are handed out in order, so strings, relations and packages that are added in the same order get the same ones. */
ps *ps_clone(ps *p, int weak)
{
  Pool *from = p->pool;
  ps *clone = make();
  Pool *to = clone->pool;
  queue_insertn(&clone->obsoleters, 0, p->obsoleters.count, p->obsoleters.elements);
  for (Id id = 1; id < from->ss.nstrings; id++)
    if (pool_str2id(to, pool_id2str(from, id), 1) != id)
      abort();
  for (Id id = 1; id < from->nrels; id++) {
    Reldep *rd = from->rels + id;
    if (pool_rel2id(to, rd->name, rd->evr, rd->flags, 1) != (Id)MAKERELDEP(id))
      abort();
  }
  to->id2arch = solv_memdup2(from->id2arch, from->lastarch + 1, sizeof(Id));
  to->id2color = from->id2color ? solv_memdup2(from->id2color, from->lastarch + 1, 1) : NULL;
  to->lastarch = from->lastarch;
  for (Id r = 1; r < from->nrepos; r++) {
    Repo *old = from->repos[r];
    if (!old)
      continue;
    Repo *repo = repo_create(to, old->name);
    if (old->end > old->start) {
      Id start = repo_add_solvable_block(repo, old->end - old->start);
      if (start != old->start)
        abort();
      for (Id id = start; id < old->end; id++) {
        Solvable *s = to->solvables + id;
        if (from->solvables[id].repo != old)
          continue;
        *s = from->solvables[id];
        s->repo = repo;
      }
    }
    repo->nsolvables = old->nsolvables;
    if (old->idarraysize) {
      repo->idarraydata = solv_extend_resize(NULL, old->idarraysize, sizeof(Id), 4095); /* as repo_addid grows it */
      memcpy(repo->idarraydata, old->idarraydata, old->idarraysize * sizeof(Id));
      repo->idarraysize = old->idarraysize;
    }
    if (from->installed == old)
      pool_set_installed(to, repo);
  }
  if (from->considered) {
    to->considered = solv_malloc(sizeof(Map));
    map_init_clone(to->considered, from->considered);
  }
  pool_createwhatprovides(to);
  if (to->installed && !weak) /* where recommendations are followed, more than a choice depends on what is left out */
    thin(to, &clone->obsoleters);
  return clone;
}

/* ---- solving ---- */

/* How much explain looks at and writes: nobody reads more, and each rule may cost a look at all of its package's. */
enum { max_rules = 1000, max_lines = 1000 };

/* One line for each thing that stands in the way, the causes themselves first. */
static void explain(ps *p, Solver *solver)
{
  Queue rules, infos;
  char *causes = NULL, *others = NULL;
  size_t ncauses, nothers;
  FILE *cause = open_memstream(&causes, &ncauses), *other = open_memstream(&others, &nothers);
  queue_init(&rules);
  queue_init(&infos);
  int problems = solver_problem_count(solver), looked = 0, lines[2] = { 0, 0 };
  p->unsaid = 0;
  for (Id problem = 1; problem <= problems && looked < max_rules && !p->stop; problem++) {
    solver_findallproblemrules(solver, problem, &rules);
    for (int i = 0; i < rules.count && !p->stop; i++) {
      if (looked++ >= max_rules) {
        p->unsaid += rules.count - i;
        break;
      }
      solver_allruleinfos(solver, rules.elements[i], &infos);
      for (int k = 0; k + 3 < infos.count; k += 4) {
        Id type = infos.elements[k];
        /* "conflicting requests" says nothing beside the rest; a REQUIRES only leads from the request to the cause. */
        int leads = type == SOLVER_RULE_JOB || type == SOLVER_RULE_PKG_REQUIRES;
        if (lines[leads]++ >= max_lines) {
          p->unsaid++;
          continue;
        }
        const char *s = solver_problemruleinfo2str(solver, type, infos.elements[k + 1], infos.elements[k + 2], infos.elements[k + 3]);
        fprintf(leads ? other : cause, "%s\n", s);
      }
    }
  }
  fclose(cause);
  fclose(other);
  text_clear(p);
  FILE *all = open_memstream(&p->text, &p->ntext);
  fprintf(all, "%s%s", causes, others);
  fclose(all);
  free(causes);
  free(others);
  queue_free(&rules);
  queue_free(&infos);
}

/* The steps of the solution, or false where one of them touches what is installed. */
static int steps(ps *p, Solver *solver)
{
  Pool *pool = p->pool;
  Transaction *t = solver_create_transaction(solver);
  transaction_order(t, 0);
  text_clear(p);
  p->unsaid = 0;
  FILE *text = open_memstream(&p->text, &p->ntext);
  for (int i = 0; i < t->steps.count; i++) {
    Id id = t->steps.elements[i];
    if (pool->solvables[id].repo != pool->installed || !pool->installed) {
      queue_push(&p->out, id);
      continue;
    }
    if (ftell(text) > 1 << 20) { /* pointless to say more */
      p->unsaid++;
      continue;
    }
    Id by = transaction_obs_pkg(t, id);
    fprintf(text, "it would %s %s, which belongs to the base", by ? "replace" : "remove", pool_solvid2str(pool, id));
    if (by)
      fprintf(text, ", by %s", pool_solvid2str(pool, by));
    fputc('\n', text);
  }
  fclose(text);
  transaction_free(t);
  return p->ntext == 0;
}

/* Appends a package and those that obsolete it. */
static void select_with_obsoleters(ps *p, Id id)
{
  queue_push(&p->out, id);
  int low = 0, high = p->obsoleters.count / 2;
  while (low < high) {
    int middle = (low + high) / 2;
    if (p->obsoleters.elements[2 * middle] < id)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < p->obsoleters.count / 2 && p->obsoleters.elements[2 * low] == id; low++)
    queue_push(&p->out, p->obsoleters.elements[2 * low + 1]);
}

/* Selects the packages of a name and, where arch isn't 0, of an architecture. */
static void select_named(ps *p, Id name, Id arch)
{
  Pool *pool = p->pool;
  if (!name)
    return;
  for (Id *id = pool_whatprovides_ptr(pool, name); *id; id++) {
    Solvable *s = pool->solvables + *id;
    if (s->name == name && (!arch || s->arch == arch) && (s->repo == pool->installed || pool_installable(pool, s)))
      select_with_obsoleters(p, *id);
  }
}

static int compare_ids(const void *a, const void *b, void *data)
{
  const Id *x = a, *y = b;
  (void)data;
  return (*x > *y) - (*x < *y);
}

static void sort_out(ps *p)
{
  Queue *q = &p->out;
  int n = 0;
  solv_sort(q->elements, q->count, sizeof(Id), compare_ids, NULL);
  for (int i = 0; i < q->count; i++)
    if (!i || q->elements[i] != q->elements[n - 1])
      q->elements[n++] = q->elements[i];
  queue_truncate(q, n);
}

/* The name before an architecture, and that; false where a text doesn't end in one that the pool knows. */
static int cut_arch(Pool *pool, const char *name, Id *before, Id *arch)
{
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name || !dot[1])
    return 0;
  *arch = pool_str2id(pool, dot + 1, 0);
  *before = pool_strn2id(pool, name, dot - name, 0);
  return *arch && *before;
}

static int provides(Pool *pool, Id package, Id dep)
{
  for (Id *p = pool_whatprovides_ptr(pool, dep); *p; p++)
    if (*p == package)
      return 1;
  return 0;
}

void ps_select(ps *p, const char *name)
{
  Pool *pool = p->pool;
  Id before, arch, id;
  queue_empty(&p->out);
  if (cut_arch(pool, name, &before, &arch))
    select_named(p, before, arch);
  id = pool_str2id(pool, name, 0);
  if (!p->out.count)
    select_named(p, id, 0);
  /* Nobody has it any more. dnf takes what provides the name then: here only what obsoletes it, too. Where there is no such,
   * what obsoletes it has to do. */
  for (int both = 1; both >= 0 && id && !p->out.count; both--)
    for (Id by = 2; by < pool->nsolvables; by++) {
      Solvable *s = pool->solvables + by;
      if (!s->repo || s->repo == pool->installed || !s->obsoletes || !pool_installable(pool, s))
        continue;
      if (both && !provides(pool, by, id))
        continue;
      for (Id *dep = s->repo->idarraydata + s->obsoletes; *dep; dep++)
        if ((ISRELDEP(*dep) ? GETRELDEP(pool, *dep)->name : *dep) == id) {
          queue_push(&p->out, by);
          break;
        }
    }
  sort_out(p);
}

/* What dnf installs beside older versions: packages that provide one of these (dnf 4.14, const.py, INSTALLONLYPKGS). */
static const char *const install_only[] = {
  "kernel", "kernel-PAE", "installonlypkg(kernel)", "installonlypkg(kernel-module)", "installonlypkg(vm)", "multiversion(kernel)",
};
enum { n_install_only = sizeof(install_only) / sizeof(*install_only) };

void ps_install_only(ps *p)
{
  Pool *pool = p->pool;
  queue_empty(&p->out);
  for (int i = 0; i < n_install_only; i++) {
    Id id = pool_str2id(pool, install_only[i], 0);
    if (!id)
      continue;
    for (Id *by = pool_whatprovides_ptr(pool, id); *by; by++)
      queue_push(&p->out, *by);
  }
  sort_out(p);
}

int ps_solve_job(ps *p, Queue *job, int weak)
{
  int ok = 0;
  p->conflicts = 0;
  queue_empty(&p->out);
  Solver *solver = solver_create(p->pool);
  /* What dnf sets (libdnf 0.69, Goal::Impl::initSolver), but for what would change the base: that it may be downgraded. */
  solver_set_flag(solver, SOLVER_FLAG_ALLOW_VENDORCHANGE, 1);
  solver_set_flag(solver, SOLVER_FLAG_KEEP_ORPHANS, 1);
  solver_set_flag(solver, SOLVER_FLAG_BEST_OBEY_POLICY, 1);
  solver_set_flag(solver, SOLVER_FLAG_YUM_OBSOLETES, 1);
  solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, !weak);
  if (solver_solve(solver, job))
    explain(p, solver);
  else
    ok = steps(p, solver);
  solver_free(solver);
  return ok;
}

int ps_solve(ps *p, const char **names, int n, int weak)
{
  Queue job;
  queue_init(&job);
  for (int i = 0; i < n; i++) {
    ps_select(p, names[i]);
    if (!p->out.count) /* nobody has it, which the solver then says */
      queue_push2(&job, SOLVER_INSTALL | SOLVER_SOLVABLE_NAME, pool_str2id(p->pool, names[i], 1));
    else /* as libdnf's Goal does for a selector of packages */
      queue_push2(&job, SOLVER_INSTALL | SOLVER_SOLVABLE_ONE_OF | SOLVER_SETARCH | SOLVER_SETEVR, pool_queuetowhatprovides(p->pool, &p->out));
  }
  for (int i = 0; i < n_install_only; i++)
    queue_push2(&job, SOLVER_MULTIVERSION | SOLVER_SOLVABLE_PROVIDES, pool_str2id(p->pool, install_only[i], 1));
  int ok = ps_solve_job(p, &job, weak);
  queue_free(&job);
  return ok;
}

/* ---- looking at packages ---- */

Solvable *ps_solvable(ps *p, Id id)
{
  return p->pool->solvables + id;
}

int ps_usable(ps *p, Id id)
{
  Solvable *s = ps_solvable(p, id);
  return s->repo && pool_installable(p->pool, s);
}

const char *ps_str(ps *p, Id id, Id key)
{
  return pool_lookup_str(p->pool, id, key);
}

unsigned long long ps_num(ps *p, Id id, Id key)
{
  return pool_lookup_num(p->pool, id, key, 0);
}

const char *ps_location(ps *p, Id id)
{
  return solvable_lookup_location(ps_solvable(p, id), NULL);
}

const char *ps_checksum(ps *p, Id id, const char **kind)
{
  Id type = 0;
  const char *sum = solvable_lookup_checksum(ps_solvable(p, id), SOLVABLE_CHECKSUM, &type);
  *kind = type ? solv_chksum_type2str(type) : NULL;
  return sum;
}

static void add_requirement(ps *p, Id dep, Id end)
{
  Pool *pool = p->pool;
  if (ISRELDEP(dep)) {
    Reldep *rd = GETRELDEP(pool, dep);
    switch (rd->flags) {
    case REL_AND:
      add_requirement(p, rd->name, end);
      add_requirement(p, rd->evr, end);
      return;
    case REL_COND:
    case REL_UNLESS:
      add_requirement(p, rd->name, -1);
      return;
    }
  }
  queue_push2(&p->out, dep, end);
}

void ps_providers(ps *p, Id dep)
{
  queue_empty(&p->out);
  for (Id *id = pool_whatprovides_ptr(p->pool, dep); *id; id++)
    queue_push(&p->out, *id);
}

void ps_requires(ps *p, Id id)
{
  Queue deps;
  queue_init(&deps);
  queue_empty(&p->out);
  solvable_lookup_deparray(ps_solvable(p, id), SOLVABLE_REQUIRES, &deps, 0);
  for (int i = 0; i < deps.count; i++)
    if (deps.elements[i] != SOLVABLE_PREREQMARKER)
      add_requirement(p, deps.elements[i], 0);
  queue_free(&deps);
}

void ps_dependencies(ps *p, Id id, Id key)
{
  queue_empty(&p->out);
  solvable_lookup_deparray(ps_solvable(p, id), key, &p->out, -1);
  text_clear(p);
  FILE *text = open_memstream(&p->text, &p->ntext);
  for (int i = 0; i < p->out.count; i++)
    if (p->out.elements[i] != SOLVABLE_FILEMARKER)
      fprintf(text, "%s\n", pool_dep2str(p->pool, p->out.elements[i]));
  fclose(text);
}

void ps_files(ps *p, Id id)
{
  Dataiterator di;
  text_clear(p);
  FILE *text = open_memstream(&p->text, &p->ntext);
  dataiterator_init(&di, p->pool, ps_solvable(p, id)->repo, id, SOLVABLE_FILELIST, 0, SEARCH_FILES | SEARCH_COMPLETE_FILELIST);
  while (dataiterator_step(&di))
    fwrite(di.kv.str, 1, strlen(di.kv.str) + 1, text);
  dataiterator_free(&di);
  fclose(text);
}
