/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Go needs of libsolv, in calls that are large enough to be worth crossing the language border for.
 *
 * A ps owns a pool and what is in it. No ps may be used by two threads at once; different ones may be.
 * Functions that can fail return NULL for success or a message that the caller frees. */
#ifndef PRESOLVE_LIBSOLV_H
#define PRESOLVE_LIBSOLV_H

#include <solv/pool.h>
#include <solv/queue.h>
#include <solv/repo.h>

typedef struct ps {
  Pool *pool;
  Queue out;     /* the result of the last call that has one */
  Queue obsoleters; /* pairs: a package, one that obsoletes it; sorted by both */
  char *text;    /* the same in words, lines separated by \n; or paths separated by \0 */
  size_t ntext;
  volatile int stop; /* set by ps_stop, from any thread: reading and explaining end early */
  unsigned long long unpacked; /* bytes that were read of the last rpm-md file */
  long long unsaid;  /* what explain counted and left out of text */
  int conflicts;     /* not 0 where the last solve took anything back */
} ps;

ps *ps_new(const char *arch);
void ps_free(ps *p);
void ps_stop(ps *p);

/* Reading. Every rpm-md file is read no further than max unpacked bytes. */
Repo *ps_add_repo(ps *p, const char *name);
char *ps_read_rpmmd(ps *p, Repo *repo, const char *path, unsigned long long max, int extend);
char *ps_read_rpmdb(ps *p, Repo *repo, const char *root);

/* Whether a package depends on a file that primary.xml doesn't list. */
int ps_wants_filelists(ps *p);
/* Finds out who provides what, files included. After the last repository was read. */
void ps_prepare(ps *p);
/* Leaves out's packages, which aren't installed, out of all that comes, in clones too, as if no repository had them. */
void ps_leave_out(ps *p);
/* Makes copies of out's packages the installed ones. */
void ps_install(ps *p);
/* A pool of the same packages under the same ids, with what the solver needs to find the same answers and nothing else.
 * weak: whether recommended packages will be installed. */
ps *ps_clone(ps *p, int weak);

/* Fills out with the packages that "dnf install NAME" chooses from: those of the name, or of NAME.ARCH where there are such,
 * and those that obsolete one of them. Of a name that no package has any more, those that obsolete it in any version.
 * Sorted by id. */
void ps_select(ps *p, const char *name);
/* Fills out with the packages that dnf installs beside their older versions. */
void ps_install_only(ps *p);

/* Solves for one package of each selection. True: out has what must be installed, in order. False: text says why not.
 * The names are as ps_select takes them. */
int ps_solve(ps *p, const char **names, int n, int weak);
/* The same for a job of libsolv's. */
int ps_solve_job(ps *p, Queue *job, int weak);

/* The id of the repository's package, a text of it, a number of it; its checksum in hexadecimal and the checksum's kind. */
const char *ps_str(ps *p, Id id, Id key);
unsigned long long ps_num(ps *p, Id id, Id key);
const char *ps_location(ps *p, Id id);
const char *ps_checksum(ps *p, Id id, const char **kind);
/* Fills out with two ids a requirement: the dependency, and 0, or -1 where it holds only sometimes. */
void ps_requires(ps *p, Id id);
/* Fills out with the packages that meet a dependency. */
void ps_providers(ps *p, Id dep);
/* Fills text with the package's dependencies of one kind, SOLVABLE_PROVIDES or SOLVABLE_OBSOLETES, files left out. */
void ps_dependencies(ps *p, Id id, Id key);
/* Fills text with the files of a package, separated by \0. */
void ps_files(ps *p, Id id);

/* Accessors for what Go can't reach: macros and bit fields. */
Solvable *ps_solvable(ps *p, Id id);
int ps_usable(ps *p, Id id);

#endif
