/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands and lanes. There are two lanes, each with a helper process of its own: one for what only asks, one for what
 * changes the system or takes long; so that a search is answered at once while an install downloads.
 *
 * A lane runs one command at a time. It starts its helper when the first command comes, gives it the next when the last
 * has finished, and replaces it when the next one needs another environment. However a helper ends, the job that it ran
 * ends with it.
 *
 * The life of the backend is here too: from initialize to destroy it is its lanes.
 *
 * Environment variables that this reads, which packagekitd keeps only with --keep-environment:
 *   PRESOLVE_HELPER   path of the helper, in place of HELPER_PATH, which backend/build has from dist/layout. For tests.
 *   PRESOLVE_GROUPS   path of the file with the groups, in place of GROUPS_PATH (roles.c). For tests.
 */
#include "helper.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <gmodule.h>

/* The exit status of a helper that can't go on, after it has said why. */
#define GAVE_UP 254

/* Seconds without a command until a helper is asked to exit, where PackageKit.conf has no BackendShutdownTimeout. */
#define DEFAULT_IDLE_SECONDS 5

/* After a job of so many lines there is memory that's worth giving back to the system. */
#define MANY_LINES 1000

/* Seconds from the job's end until that is done. */
#ifndef TRIM_SECONDS
#define TRIM_SECONDS 30
#endif

static void command_free (Command *command);
static void command_fail (Command *command, PkErrorEnum code, const gchar *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Command, command_free)

/* ---- commands ---- */

gboolean
has_control_characters (const gchar *text)
{
	for (; *text != '\0'; text++) {
		if (g_ascii_iscntrl (*text))
			return TRUE;
	}
	return FALSE;
}

/* Whether the words can be written as one line, and be read as the same words. */
static gboolean
are_writable (gchar **words, guint n_words)
{
	for (guint i = 0; i < n_words; i++) {
		if (words[i] == NULL || has_control_characters (words[i]))
			return FALSE;
	}
	return TRUE;
}

/* Takes the words, which needn't end with NULL. */
static Command *
command_new (PkBackendJob *job, gchar **words, guint n_words)
{
	Command *command = g_new0 (Command, 1);

	command->job = g_object_ref (job);
	command->words = g_new0 (gchar *, n_words + 1);
	memcpy (command->words, words, n_words * sizeof *words);
	return command;
}

static void
command_free (Command *command)
{
	g_object_unref (command->job);
	g_strfreev (command->words);
	g_free (command);
}

/* Ends a command that no helper has. */
static void
command_fail (Command *command, PkErrorEnum code, const gchar *text)
{
	pk_backend_job_error_code (command->job, code, "%s", text);
	pk_backend_job_finished (command->job);
	command_free (command);
}

void
submit (PkBackend *backend, PkBackendJob *job, LaneId id, gchar **words, guint n_words)
{
	Presolve *presolve = pk_backend_get_user_data (backend);
	Lane *lane = &presolve->lanes[id];

	if (!are_writable (words, n_words)) {
		for (guint i = 0; i < n_words; i++)
			g_free (words[i]);
		pk_backend_job_error_code (job, PK_ERROR_ENUM_NOT_SUPPORTED,
					   "Names must not contain control characters or list separators");
		pk_backend_job_finished (job);
		return;
	}
	if (lane->running != NULL)
		pk_backend_job_set_status (job, PK_STATUS_ENUM_WAITING_FOR_LOCK);
	g_queue_push_tail (&lane->waiting, command_new (job, words, n_words));
	lane_run (lane);
}

/* Takes the command of the job out of the queue; NULL where it isn't there. */
static Command *
take_waiting (Lane *lane, PkBackendJob *job)
{
	for (GList *link = lane->waiting.head; link != NULL; link = link->next) {
		Command *command = link->data;

		if (command->job != job)
			continue;
		g_queue_delete_link (&lane->waiting, link);
		return command;
	}
	return NULL;
}

static void
cancel_running (Lane *lane)
{
	lane->running->cancelled = TRUE;
	if (lane->helper != NULL && lane->helper->step == SERVING)
		helper_cancel (lane->helper);
}

/* A job that isn't found has finished in the meantime. */
G_MODULE_EXPORT void
pk_backend_cancel (PkBackend *backend, PkBackendJob *job)
{
	Presolve *presolve = pk_backend_get_user_data (backend);

	for (guint i = 0; i < N_LANES; i++) {
		Lane *lane = &presolve->lanes[i];
		Command *waiting = take_waiting (lane, job);

		if (waiting != NULL)
			command_fail (waiting, PK_ERROR_ENUM_TRANSACTION_CANCELLED, "Cancelled before it began");
		else if (lane->running != NULL && lane->running->job == job)
			cancel_running (lane);
	}
}

/* ---- memory ---- */

/*
 * packagekitd keeps all that a job has told until six seconds after its end, 600 bytes for each package. What it frees
 * then stays its own: with malloc, which gives back pages in the middle only when it's asked, and before that with
 * g_slice (GLib up to 2.74), which lets go of what wasn't used for 15 seconds once enough of the same size is freed.
 */
static gboolean
on_trim (gpointer data)
{
	Presolve *presolve = data;
	PkPackage *packages[MANY_LINES];

	presolve->trimming = 0;
	for (guint i = 0; i < G_N_ELEMENTS (packages); i++)
		packages[i] = pk_package_new ();
	for (guint i = 0; i < G_N_ELEMENTS (packages); i++)
		g_object_unref (packages[i]);
#ifdef __GLIBC__
	malloc_trim (0);
#endif
	g_debug ("free memory was given back");
	return G_SOURCE_REMOVE;
}

/* The last of several jobs counts. */
static void
trim_after (Presolve *presolve, const Replies *replies)
{
	if (replies->n_lines < MANY_LINES)
		return;
	if (presolve->trimming != 0)
		g_source_remove (presolve->trimming);
	presolve->trimming = g_timeout_add_seconds (TRIM_SECONDS, on_trim, presolve);
}

/* ---- lanes ---- */

void
lane_run (Lane *lane)
{
	while (lane->running == NULL && !g_queue_is_empty (&lane->waiting)) {
		Command *next = g_queue_peek_head (&lane->waiting);
		g_auto(GStrv) environment = environment_new (lane->presolve->backend, next->job);
		g_autoptr(GError) error = NULL;

		if (lane->helper == NULL) {
			lane->helper = helper_start (lane, next, environment, &error);
			g_queue_pop_head (&lane->waiting);
			if (lane->helper == NULL) {
				g_autofree gchar *text = g_strdup_printf ("The helper can't be started: %s", error->message);

				command_fail (next, PK_ERROR_ENUM_INTERNAL_ERROR, text);
				continue;
			}
		} else if (lane->helper->step != SERVING) {
			return;		/* lane_lost_helper goes on */
		} else if (!g_strv_equal ((const gchar * const *) lane->helper->environment,
					  (const gchar * const *) environment)) {
			g_debug ("%s: another environment, so another helper", lane->name);
			helper_end (lane->helper, ASKED);
			return;
		} else {
			g_queue_pop_head (&lane->waiting);
		}
		lane->running = next;
		replies_begin (&lane->replies, &lane->presolve->daemon, next->job);
		helper_give (lane->helper, next);
	}
}

/*
 * The helper has said "finished". It's kept, but for one case: where the SIGTERM of a cancel crossed the end of the
 * command, the helper may still be about to see it, and would cancel the next command.
 */
void
lane_finish (Lane *lane)
{
	g_autoptr(Command) command = NULL;
	gboolean crossed;

	command = g_steal_pointer (&lane->running);
	crossed = command->cancelled && lane->replies.error != PK_ERROR_ENUM_TRANSACTION_CANCELLED;
	replies_flush (&lane->replies);
	trim_after (lane->presolve, &lane->replies);
	replies_end (&lane->replies);
	pk_backend_job_finished (command->job);
	if (lane->helper->step != SERVING)
		return;
	if (crossed)
		helper_end (lane->helper, ASKED);
	else
		helper_idle (lane->helper, lane->presolve->idle_seconds);
}

static gchar *
describe_end (Helper *helper, const gchar *command, gint status)
{
	if (helper->fault != NULL)
		return g_strdup_printf ("The helper was stopped during %s: %s", command, helper->fault);
	if (WIFSIGNALED (status))
		return g_strdup_printf ("The helper was ended by signal %d during %s", WTERMSIG (status), command);
	return g_strdup_printf ("The helper exited with status %d during %s", WEXITSTATUS (status), command);
}

static void
set_error_of_end (Command *command, Helper *helper, gint status)
{
	g_autofree gchar *text = describe_end (helper, command->words[0], status);

	if (command->cancelled && WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL)
		pk_backend_job_error_code (command->job, PK_ERROR_ENUM_PROCESS_KILL,
					   "The helper had to be killed to be cancelled");
	else if (command->cancelled)
		pk_backend_job_error_code (command->job, PK_ERROR_ENUM_TRANSACTION_CANCELLED, "Cancelled");
	else
		pk_backend_job_error_code (command->job, PK_ERROR_ENUM_INTERNAL_ERROR, "%s", text);
}

/*
 * Helpers exit by themselves when they are idle, or have given up. A command that was written at that moment was read
 * by nobody, and may be run again; one that a helper crashed on may not.
 */
static gboolean
was_not_read (Lane *lane, Helper *helper, gint status)
{
	gboolean exited = WIFEXITED (status) && (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == GAVE_UP);

	return lane->replies.n_lines == 0 && !lane->running->retried && !lane->running->cancelled && helper->fault == NULL &&
	       helper->n_commands > 1 && (exited || helper->broken_pipe);
}

void
lane_lost_helper (Lane *lane, Helper *helper, gint status)
{
	lane->helper = NULL;
	if (lane->running == NULL) {
		g_debug ("%s: the helper has ended with status %#x", lane->name, (guint) status);
	} else if (was_not_read (lane, helper, status)) {
		lane->running->retried = TRUE;
		g_queue_push_head (&lane->waiting, g_steal_pointer (&lane->running));
		replies_end (&lane->replies);
	} else {
		g_autoptr(Command) command = g_steal_pointer (&lane->running);

		replies_flush (&lane->replies);
		if (lane->replies.error == PK_ERROR_ENUM_UNKNOWN)
			set_error_of_end (command, helper, status);
		trim_after (lane->presolve, &lane->replies);
		replies_end (&lane->replies);
		pk_backend_job_finished (command->job);
	}
	lane_run (lane);
}

/* ---- life of the backend ---- */

static void
find_daemon_functions (Daemon *daemon)
{
	GModule *self = g_module_open (NULL, 0);
	gpointer symbol = NULL;

	if (g_module_symbol (self, "pk_backend_job_details_full", &symbol) ||
	    g_module_symbol (self, "pk_backend_job_details", &symbol))
		daemon->details = (PkBackendJobDetails) symbol;
	if (g_module_symbol (self, "pk_backend_job_packages", &symbol))
		daemon->packages = (PkBackendJobPackages) symbol;
	if (g_module_symbol (self, "pk_backend_job_package_full", &symbol) &&
	    g_module_symbol (self, "pk_package_set_update_severity", &symbol))
		daemon->set_update_severity = (PkPackageSetUpdateSeverity) symbol;
	if (g_module_symbol (self, "pk_backend_job_get_details_with_deps_size", &symbol))
		daemon->with_deps_size = (PkBackendJobGetDetailsWithDepsSize) symbol;
	g_module_close (self);
}

/*
 * packagekitd shows messages of its own domain alone, and those only when it's verbose. In a domain of their own the
 * warnings always reach the journal, and the rest does where packagekitd is told so: by functions that its library
 * exports (1.2.0 to 1.3.6) but has no header for.
 */
static void
show_messages (void)
{
	GModule *self = g_module_open (NULL, 0);
	gboolean (*is_verbose) (void);
	void (*add_log_domain) (const gchar *domain);

	if (g_module_symbol (self, "pk_debug_is_verbose", (gpointer *) &is_verbose) &&
	    g_module_symbol (self, "pk_debug_add_log_domain", (gpointer *) &add_log_domain) && is_verbose ())
		add_log_domain (G_LOG_DOMAIN);
	g_module_close (self);
}

static guint
read_idle_seconds (GKeyFile *conf)
{
	gint seconds = g_key_file_get_integer (conf, "Daemon", "BackendShutdownTimeout", NULL);

	return seconds > 0 ? (guint) seconds : DEFAULT_IDLE_SECONDS;
}

/* A helper that ends while it's written to must not end packagekitd. GDBus has done the same already. */
static void
ignore_sigpipe (void)
{
	struct sigaction action;

	if (sigaction (SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal (SIGPIPE, SIG_IGN);
}

G_MODULE_EXPORT void
pk_backend_initialize (GKeyFile *conf, PkBackend *backend)
{
	static const gchar *names[N_LANES] = { "queries", "changes" };
	Presolve *presolve = g_new0 (Presolve, 1);
	const gchar *path = g_getenv ("PRESOLVE_HELPER");

	show_messages ();
	ignore_sigpipe ();
	presolve->backend = backend;
	presolve->helper_path = g_strdup (path != NULL && *path != '\0' ? path : HELPER_PATH);
	presolve->idle_seconds = read_idle_seconds (conf);
	find_daemon_functions (&presolve->daemon);
	for (guint i = 0; i < N_LANES; i++) {
		Lane *lane = &presolve->lanes[i];

		lane->presolve = presolve;
		lane->name = names[i];
		g_queue_init (&lane->waiting);
		replies_end (&lane->replies);
	}
	pk_backend_set_user_data (backend, presolve);
}

/* All helpers are told first, and then waited for, so that they take their time together. */
G_MODULE_EXPORT void
pk_backend_destroy (PkBackend *backend)
{
	Presolve *presolve = pk_backend_get_user_data (backend);

	if (presolve == NULL)
		return;
	if (presolve->trimming != 0)
		g_source_remove (presolve->trimming);
	for (guint i = 0; i < N_LANES; i++) {
		Lane *lane = &presolve->lanes[i];

		if (lane->helper != NULL)
			helper_end (lane->helper, lane->running != NULL ? TERMINATED : ASKED);
	}
	for (guint i = 0; i < N_LANES; i++) {
		Lane *lane = &presolve->lanes[i];

		g_clear_pointer (&lane->helper, helper_destroy);
		replies_end (&lane->replies);
		g_clear_pointer (&lane->running, command_free);
		g_queue_clear_full (&lane->waiting, (GDestroyNotify) command_free);
	}
	pk_backend_set_user_data (backend, NULL);
	g_free (presolve->helper_path);
	g_free (presolve);
}
