/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modules.h"

#include <solv/solver.h>

Id ps_add_module(ps *p, Repo *repo, const char *name, const char *version, const char *arch)
{
  Id id = repo_add_solvable(repo);
  Solvable *s = ps_solvable(p, id);
  s->name = pool_str2id(p->pool, name, 1);
  s->evr = pool_str2id(p->pool, version, 1);
  s->arch = pool_str2id(p->pool, arch, 1);
  return id;
}

Id ps_dependency(ps *p, const char *name)
{
  return pool_str2id(p->pool, name, 1);
}

Id ps_either(ps *p, Id one, Id other)
{
  return pool_rel2id(p->pool, one, other, REL_OR, 1);
}

void ps_add_dependency(ps *p, Id id, Id key, Id dependency)
{
  solvable_add_deparray(ps_solvable(p, id), key, dependency, 0);
}

void ps_prepare_modules(ps *p, Repo *installed)
{
  pool_set_installed(p->pool, installed);
  pool_createwhatprovides(p->pool);
}

int ps_solve_modules(ps *p)
{
  Queue job;
  queue_init_clone(&job, &p->out);
  int ok = ps_solve_job(p, &job, 0);
  queue_free(&job);
  return ok;
}
