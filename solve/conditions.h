/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What packages ask of others that depends on what else a computer has. See conditions.go. */
#ifndef PRESOLVE_CONDITIONS_H
#define PRESOLVE_CONDITIONS_H

#include "libsolv.h"

/* Fills text with the conditions of a package, a line each: 'R', 'C' or 'W' for a requirement, a conflict, or something
 * recommended, and what it is. weak: whether recommended packages are installed. */
void ps_conditions(ps *p, Id id, int weak);
/* Sets about, one byte for each string of the pool, for the names that the conditions of all packages are about. */
void ps_named(ps *p, int weak, unsigned char *about);
/* Fills text with what a package provides under these names, a line each. */
void ps_meets(ps *p, Id id, const unsigned char *about);

#endif
