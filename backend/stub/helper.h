/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process of the helper: see helper.c.
 */
#pragma once

#include "lanes.h"

/* How long a helper that was told to end, or to cancel, may take before the next step. */
#ifndef GRACE_MS
#define GRACE_MS 5000
#endif

/* How far a helper was told to end. */
typedef enum {
	SERVING,			/* not at all */
	ASKED,				/* "exit", and the end of stdin */
	TERMINATED,			/* SIGTERM */
	KILLED				/* SIGKILL, as soon as the helper may be killed */
} Step;

/* One process. It's freed when the process was reaped. */
struct Helper {
	Lane		*lane;		/* borrowed: outlives the helper */
	GPid		 pid;
	gchar		**environment;	/* owned */
	gint		 in, out, err;	/* owned: our ends of its stdin, stdout and stderr; -1: closed */
	GSource		*writing;	/* owned: waits for room in stdin; NULL: nothing to write */
	GSource		*reading;	/* owned: waits for stdout; NULL: closed */
	GSource		*logging;	/* owned: waits for stderr; NULL: closed */
	GSource		*exiting;	/* owned: waits for the end of the process */
	GSource		*timer;		/* owned: the next step; NULL: none is due */
	GByteArray	*unwritten;	/* owned: what stdin had no room for */
	GByteArray	*unread;	/* owned: stdout after the last newline */
	GByteArray	*unlogged;	/* owned: stderr after the last newline */
	Step		 step;
	gboolean	 broken_pipe;	/* it didn't read the last command */
	guint		 n_commands;	/* it was given so far */
	gboolean	 has_first;	/* the first one was on its command line */
	guint		 n_bad_lines;	/* in this command */
	gchar		*fault;		/* owned: why its output isn't read any more; NULL: it is */
};

/* All that a helper sees of packagekitd's environment, and of whom a job is for. The caller frees it. */
gchar **environment_new (PkBackend *backend, PkBackendJob *job);

/* Starts a process, with the command on its command line where that fits. NULL where it can't be started. */
Helper *helper_start (Lane *lane, Command *command, gchar **environment, GError **error);

/* Gives it a command to carry out: writes that to its stdin, unless it was started with it. */
void helper_give (Helper *helper, Command *command);

/* Takes a step towards its end, unless that was taken already, and sees to it that the next one follows. */
void helper_end (Helper *helper, Step step);

/* Cancels the command that it carries out. */
void helper_cancel (Helper *helper);

/* Asks it to exit when it has had nothing to do for so long. */
void helper_idle (Helper *helper, guint seconds);

/* Waits for its end, which it was told already, and frees it. Where it must not be killed it's left to itself. */
void helper_destroy (Helper *helper);
