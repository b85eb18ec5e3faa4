/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the solver can see of a package. See again.go. */
#ifndef PRESOLVE_AGAIN_H
#define PRESOLVE_AGAIN_H

#include "libsolv.h"

/* The marks in a shape. What begins a section is below 0, and so is all else that is no package; text is below -1000. */
enum {
  PS_STRANGE = -1, /* it isn't known what the solver makes of it */
  PS_REQUIRES = -2, PS_RECOMMENDS = -3, PS_SUGGESTS = -4, PS_CONFLICTS = -5, PS_OBSOLETES = -6, PS_SUPPLEMENTS = -7, PS_ENHANCES = -8,
  PS_NAMED = -9,    /* packages of its name, itself too */
  PS_UPDATES = -10, /* of an installed package: what provides its name */
  PS_ITSELF = -11,
  PS_RICH = -20, PS_LIST = -21, PS_END = -22, PS_PRE = -23, PS_NEVR = -24, PS_TRUE = -25, PS_FALSE = -26, PS_CONDITION = -27,
  PS_TEXT = -1000,
};

/* Fills out with what the solver can see of a package, but for its name and architecture and what is the same for all packages.
 * multi, one byte a package, is not 0 for those that are installed beside older versions. */
void ps_shape(ps *p, Id id, const unsigned char *multi);

/* Which of these packages, of which one is to be installed, the solver takes where it can be had, whatever else there is: the
 * only one, or the newest of one name and architecture, none of them installed. 0: it isn't known. */
Id ps_first(ps *p, const Id *ids, int n);

#endif
