/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands, and the lanes in which they wait and run: see lanes.c.
 */
#pragma once

#include "replies.h"

/* One lane is for what only asks, one for what changes the system or takes long. */
typedef enum { QUERIES, CHANGES, N_LANES } LaneId;

typedef struct Helper Helper;
typedef struct Presolve Presolve;

/* One job, from its entry to its end. */
typedef struct {
	PkBackendJob	*job;		/* a reference */
	gchar		**words;	/* owned: the command and its arguments */
	gboolean	 cancelled;	/* PackageKit asked for that */
	gboolean	 retried;	/* it was written to a helper before, which ended without reading it */
} Command;

/* Commands that run one after another, in one helper. */
typedef struct {
	Presolve	*presolve;	/* borrowed: owns the lane */
	const gchar	*name;		/* for the log */
	GQueue		 waiting;	/* of Command, owned */
	Command		*running;	/* owned: what the helper was given; NULL: nothing */
	Replies		 replies;	/* to the running command */
	Helper		*helper;	/* owned; NULL: no process */
} Lane;

/* All there is: the backend's user data, from initialize to destroy. */
struct Presolve {
	PkBackend	*backend;	/* borrowed: owns this */
	Daemon		 daemon;
	gchar		*helper_path;	/* owned */
	guint		 idle_seconds;
	guint		 trimming;	/* the source that will give memory back; 0: nothing is due */
	Lane		 lanes[N_LANES];
};

/*
 * Puts a command into the queue of a lane, and ends the job where it can't be written as one line. Takes the words, which
 * needn't end with NULL; one that is NULL can't be written.
 */
void submit (PkBackend *backend, PkBackendJob *job, LaneId lane, gchar **words, guint n_words);

/* Gives the lane's helper the next command, where it's ready for one. */
void lane_run (Lane *lane);

/* The helper of the lane has said "finished". */
void lane_finish (Lane *lane);

/* The process of the lane's helper has ended, and was reaped; the helper is freed by the caller. */
void lane_lost_helper (Lane *lane, Helper *helper, gint status);

/* Whether a text has what would be read as another line, or acted upon by a terminal. */
gboolean has_control_characters (const gchar *text);
