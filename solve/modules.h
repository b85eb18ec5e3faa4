/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams of modules as packages of a pool of their own. See modules.go. */
#ifndef PRESOLVE_MODULES_H
#define PRESOLVE_MODULES_H

#include "libsolv.h"

/* Adds a package with nothing but its name, version and architecture. */
Id ps_add_module(ps *p, Repo *repo, const char *name, const char *version, const char *arch);
/* What can be depended on by this name; one dependency or another. */
Id ps_dependency(ps *p, const char *name);
Id ps_either(ps *p, Id one, Id other);
/* Adds a dependency of one kind, e.g. SOLVABLE_PROVIDES. */
void ps_add_dependency(ps *p, Id id, Id key, Id dependency);
/* Makes the packages of a repository, the last that was added, the installed ones. */
void ps_prepare_modules(ps *p, Repo *installed);
/* Takes out for what is to be installed, pairs of flags and a dependency, solves, and puts what must be installed there.
 * False: text says why not. */
int ps_solve_modules(ps *p);

#endif
