/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a helper says, one line at a time, as calls to packagekitd: see replies.c.
 */
#pragma once

#include "packagekitd.h"

/* What came of one command so far. All zero but allow_cancel before the first line. */
typedef struct {
	const Daemon	*daemon;	/* borrowed */
	PkBackendJob	*job;		/* borrowed */
	GPtrArray	*packages;	/* owned, of PkPackage: packages that weren't signalled yet; NULL: none */
	PkErrorEnum	 error;		/* of the "error" line; PK_ERROR_ENUM_UNKNOWN: there was none */
	guint		 n_lines;	/* that were read */
	gboolean	 allow_cancel;	/* false: the command must run to its end */
	gboolean	 finished;	/* the last line was read */
} Replies;

/* Starts the replies of one command. */
void replies_begin (Replies *replies, const Daemon *daemon, PkBackendJob *job);

/* Signals what a line, without its newline, says. False where it makes no sense; it's left out then. */
gboolean replies_line (Replies *replies, const gchar *line, gsize length, GError **error);

/* Signals what is still held back. To be called where no further line is at hand. */
void replies_flush (Replies *replies);

/* Forgets the command, and frees what was held for it. */
void replies_end (Replies *replies);
