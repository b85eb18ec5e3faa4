/*
 * libpk_backend_presolve.so: PackageKit's side of the presolve helper.
 *
 * The shape of it, from the top of this file to its end:
 *
 *   roles     packagekitd calls one entry for each role, with a job. The table ROLES says which helper command that
 *             is, and how its arguments are written.
 *   commands  The entry turns the job into a Command, and puts it into the queue of a lane. There are two lanes, each
 *             with a helper process of its own: one for what only asks, one for what changes the system or takes long;
 *             so that a search is answered at once while an install downloads.
 *   lanes     A lane runs one command at a time. It starts its helper when the first command comes, gives it the next
 *             when the last has finished, and replaces it when the next one needs another environment.
 *   helper    A process, three pipes and a timer. Its lines are read by the main loop as they come, and become signals
 *             of the job (replies.c). However it ends, the job that it ran ends with it.
 *
 *   entry -> Command -> Lane.waiting -> Lane.running -> Helper.in ... Helper.out -> Replies -> pk_backend_job_*
 *
 * Everything happens in packagekitd's main thread (see packagekitd.h), and nothing waits: not for a lock, not for a
 * process, not for a pipe. The one exception is pk_backend_destroy, after which there is no main loop any more; that
 * waits for a bounded time.
 *
 * A helper is ended by steps, each taken when the one before had no effect for GRACE_MS: it's asked to (the line
 * "exit", and the end of its stdin), it's sent SIGTERM, it's sent SIGKILL. The last is never done while the helper has
 * said "allow-cancel false", since then it's in the middle of changing the system.
 *
 * Environment variables that this reads, which packagekitd keeps only with --keep-environment:
 *   PRESOLVE_HELPER   path of the helper, in place of HELPER_PATH. For tests.
 */
#include "replies.h"

#include <errno.h>
#include <fcntl.h>
#include <gmodule.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#ifndef HELPER_PATH
#define HELPER_PATH "/usr/share/PackageKit/helpers/presolve/pk-presolve"
#endif

/* What the helper is told to speak: the newest, whatever packagekitd speaks with stubs of its own. */
#define DIALECT "1.3"

/* The PATH of the helper, and so of rpm and its scriptlets. */
#define HELPER_SEARCH_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

/* The exit status of a helper that can't go on, after it has said why. */
#define GAVE_UP 254

/* How long a helper that was told to end, or to cancel, may take before the next step. */
#ifndef GRACE_MS
#define GRACE_MS 5000
#endif

/* pk_backend_destroy waits this many times longer for a helper that must not be killed. */
#define GRACE_UNKILLABLE 12

/* Seconds without a command until a helper is asked to exit, where PackageKit.conf has no BackendShutdownTimeout. */
#define DEFAULT_IDLE_SECONDS 5

/*
 * A helper with a longer line, or with more lines that can't be read in one command, is not ours. The longest lines are
 * lists of files: that of an icon theme has some megabytes.
 */
#ifndef MAX_LINE
#define MAX_LINE (32 * 1024 * 1024)
#endif
#define MAX_BAD_LINES 100

/* Linux takes no longer word on a command line (MAX_ARG_STRLEN), nor, by default, more than 2 MiB of them. */
#define MAX_COMMAND_LINE_WORD (128 * 1024 - 1)

/* So much is read before the main loop gets its turn. */
#define READ_AT_ONCE (64 * 1024)

typedef enum { QUERIES, CHANGES, N_LANES } LaneId;

typedef struct Presolve Presolve;
typedef struct Lane Lane;

/* One job, from its entry to its end. */
typedef struct {
	PkBackendJob	*job;		/* a reference */
	gchar		**words;	/* owned: the command and its arguments */
	gboolean	 cancelled;	/* PackageKit asked for that */
	gboolean	 retried;	/* it was written to a helper before, which ended without reading it */
} Command;

/* How far a helper was told to end. */
typedef enum {
	SERVING,			/* not at all */
	ASKED,				/* "exit", and the end of stdin */
	TERMINATED,			/* SIGTERM */
	KILLED				/* SIGKILL, as soon as the helper may be killed */
} Step;

/* One process. It's freed when the process was reaped. */
typedef struct {
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
} Helper;

/* Commands that run one after another, in one helper. */
struct Lane {
	Presolve	*presolve;	/* borrowed: owns the lane */
	const gchar	*name;		/* for the log */
	GQueue		 waiting;	/* of Command, owned */
	Command		*running;	/* owned: what the helper was given; NULL: nothing */
	Replies		 replies;	/* to the running command */
	Helper		*helper;	/* owned; NULL: no process */
};

/* All there is: the backend's user data, from initialize to destroy. */
struct Presolve {
	PkBackend	*backend;	/* borrowed: owns this */
	Daemon		 daemon;
	gchar		*helper_path;	/* owned */
	guint		 idle_seconds;
	Lane		 lanes[N_LANES];
};

static void submit (PkBackend *backend, PkBackendJob *job, LaneId lane, gchar **words, guint n_words);
static gchar *write_boolean (gboolean value);
static gchar *write_filters (PkBitfield filters);
static gchar *write_flags (PkBitfield flags);
static gchar *write_list (gchar **list, const gchar *separator);
static gchar *write_words (gchar **list);

static void command_free (Command *command);
static void command_fail (Command *command, PkErrorEnum code, const gchar *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Command, command_free)

static void lane_run (Lane *lane);
static void lane_finish (Lane *lane);
static void lane_lost_helper (Lane *lane, Helper *helper, gint status);

static Helper *helper_start (Lane *lane, Command *command, gchar **environment, GError **error);
static void helper_give (Helper *helper, Command *command);
static void helper_end (Helper *helper, Step step);
static void helper_set_timer (Helper *helper, guint milliseconds);
static void helper_free (Helper *helper);
static void helper_destroy (Helper *helper);

static gchar **environment_new (PkBackend *backend, PkBackendJob *job);

/* ---- roles ---- */

/*
 * The forms of a role's entry: what it's given after the backend and the job, and the words of the command line that
 * this becomes. A word that is NULL can't be written, and fails the job.
 */
#define NOTHING_PARAMETERS
#define NOTHING_WORDS

#define FILTERS_PARAMETERS		, PkBitfield filters
#define FILTERS_WORDS			, write_filters (filters)

#define FILTERS_VALUES_PARAMETERS	, PkBitfield filters, gchar **values
#define FILTERS_VALUES_WORDS		, write_filters (filters), write_words (values)

#define FILTERS_IDS_DEEP_PARAMETERS	, PkBitfield filters, gchar **ids, gboolean recursive
#define FILTERS_IDS_DEEP_WORDS		, write_filters (filters), write_list (ids, "&"), write_boolean (recursive)

#define IDS_PARAMETERS			, gchar **ids
#define IDS_WORDS			, write_list (ids, "&")

#define IDS_FOLDER_PARAMETERS		, gchar **ids, const gchar *folder
/* No folder: the helper's cache. */
#define IDS_FOLDER_WORDS		, g_strdup (folder != NULL ? folder : ""), write_list (ids, "&")

#define FILES_PARAMETERS		, gchar **files
#define FILES_WORDS			, write_list (files, "&")

#define FORCE_PARAMETERS		, gboolean force
#define FORCE_WORDS			, write_boolean (force)

#define FLAGS_PARAMETERS		, PkBitfield flags
#define FLAGS_WORDS			, write_flags (flags)

#define FLAGS_IDS_PARAMETERS		, PkBitfield flags, gchar **ids
#define FLAGS_IDS_WORDS			, write_flags (flags), write_list (ids, "&")

#define FLAGS_FILES_PARAMETERS		, PkBitfield flags, gchar **files
#define FLAGS_FILES_WORDS		, write_flags (flags), write_list (files, "|")

#define FLAGS_IDS_OTHERS_PARAMETERS	, PkBitfield flags, gchar **ids, gboolean allow_deps, gboolean autoremove
#define FLAGS_IDS_OTHERS_WORDS		, write_flags (flags), write_list (ids, "&"), write_boolean (allow_deps), \
					  write_boolean (autoremove)

#define REPO_ENABLED_PARAMETERS		, const gchar *repo, gboolean enabled
#define REPO_ENABLED_WORDS		, g_strdup (repo), write_boolean (enabled)

#define REPO_DATA_PARAMETERS		, const gchar *repo, const gchar *parameter, const gchar *value
#define REPO_DATA_WORDS			, g_strdup (repo), g_strdup (parameter), g_strdup (value)

#define KEY_PARAMETERS			, PkSigTypeEnum type, const gchar *key, const gchar *id
#define KEY_WORDS			, g_strdup (pk_sig_type_enum_to_string (type)), g_strdup (key), g_strdup (id)

#define DISTRIBUTION_PARAMETERS		, PkBitfield flags G_GNUC_UNUSED, const gchar *distribution, \
					  PkUpgradeKindEnum kind G_GNUC_UNUSED
#define DISTRIBUTION_WORDS		, g_strdup (distribution)

/*
 * Every role that there is an entry for, and that get_roles names:
 *
 *   entry (pk_backend_…)  role (PK_ROLE_ENUM_…)  helper command  lane  form
 *
 * A download changes nothing, but it would keep searches waiting for long.
 */
#define ROLES(R) \
	R (depends_on,		DEPENDS_ON,		"depends-on",		QUERIES, FILTERS_IDS_DEEP) \
	R (download_packages,	DOWNLOAD_PACKAGES,	"download-packages",	CHANGES, IDS_FOLDER) \
	R (get_categories,	GET_CATEGORIES,		"get-categories",	QUERIES, NOTHING) \
	R (get_details,		GET_DETAILS,		"get-details",		QUERIES, IDS) \
	R (get_details_local,	GET_DETAILS_LOCAL,	"get-details-local",	QUERIES, FILES) \
	R (get_distro_upgrades,	GET_DISTRO_UPGRADES,	"get-distro-upgrades",	QUERIES, NOTHING) \
	R (get_files,		GET_FILES,		"get-files",		QUERIES, IDS) \
	R (get_files_local,	GET_FILES_LOCAL,	"get-files-local",	QUERIES, FILES) \
	R (get_packages,	GET_PACKAGES,		"get-packages",		QUERIES, FILTERS) \
	R (get_repo_list,	GET_REPO_LIST,		"get-repo-list",	QUERIES, FILTERS) \
	R (get_update_detail,	GET_UPDATE_DETAIL,	"get-update-detail",	QUERIES, IDS) \
	R (get_updates,		GET_UPDATES,		"get-updates",		QUERIES, FILTERS) \
	R (install_files,	INSTALL_FILES,		"install-files",	CHANGES, FLAGS_FILES) \
	R (install_packages,	INSTALL_PACKAGES,	"install-packages",	CHANGES, FLAGS_IDS) \
	R (install_signature,	INSTALL_SIGNATURE,	"install-signature",	CHANGES, KEY) \
	R (refresh_cache,	REFRESH_CACHE,		"refresh-cache",	CHANGES, FORCE) \
	R (remove_packages,	REMOVE_PACKAGES,	"remove-packages",	CHANGES, FLAGS_IDS_OTHERS) \
	R (repair_system,	REPAIR_SYSTEM,		"repair-system",	CHANGES, FLAGS) \
	R (repo_enable,		REPO_ENABLE,		"repo-enable",		CHANGES, REPO_ENABLED) \
	R (repo_set_data,	REPO_SET_DATA,		"repo-set-data",	CHANGES, REPO_DATA) \
	R (required_by,		REQUIRED_BY,		"required-by",		QUERIES, FILTERS_IDS_DEEP) \
	R (resolve,		RESOLVE,		"resolve",		QUERIES, FILTERS_VALUES) \
	R (search_details,	SEARCH_DETAILS,		"search-details",	QUERIES, FILTERS_VALUES) \
	R (search_files,	SEARCH_FILE,		"search-file",		QUERIES, FILTERS_VALUES) \
	R (search_groups,	SEARCH_GROUP,		"search-group",		QUERIES, FILTERS_VALUES) \
	R (search_names,	SEARCH_NAME,		"search-name",		QUERIES, FILTERS_VALUES) \
	R (update_packages,	UPDATE_PACKAGES,	"update-packages",	CHANGES, FLAGS_IDS) \
	R (upgrade_system,	UPGRADE_SYSTEM,		"upgrade-system",	CHANGES, DISTRIBUTION) \
	R (what_provides,	WHAT_PROVIDES,		"what-provides",	QUERIES, FILTERS_VALUES)

/* Each pk_backend_… of the table. They are exported: packagekitd finds them by name. */
#define ROLE_ENTRY(entry, role, command, lane, form)					\
	G_MODULE_EXPORT void								\
	pk_backend_##entry (PkBackend *backend, PkBackendJob *job form##_PARAMETERS)	\
	{										\
		gchar *words[] = { g_strdup (command) form##_WORDS };			\
											\
		submit (backend, job, lane, words, G_N_ELEMENTS (words));		\
	}
ROLES (ROLE_ENTRY)

G_MODULE_EXPORT PkBitfield
pk_backend_get_roles (PkBackend *backend G_GNUC_UNUSED)
{
	PkBitfield roles = pk_bitfield_value (PK_ROLE_ENUM_CANCEL);

#define ROLE_ADD(entry, role, command, lane, form) pk_bitfield_add (roles, PK_ROLE_ENUM_##role);
	ROLES (ROLE_ADD)
	return roles;
}

/* ---- what the backend says of itself ---- */

G_MODULE_EXPORT const gchar *
pk_backend_get_description (PkBackend *backend G_GNUC_UNUSED)
{
	return "Presolved packages";
}

G_MODULE_EXPORT const gchar *
pk_backend_get_author (PkBackend *backend G_GNUC_UNUSED)
{
	return "Sugar Labs";
}

/* By PackageKit's convention a filter stands for its negation, too. */
G_MODULE_EXPORT PkBitfield
pk_backend_get_filters (PkBackend *backend G_GNUC_UNUSED)
{
	return pk_bitfield_from_enums (PK_FILTER_ENUM_INSTALLED, PK_FILTER_ENUM_BASENAME, PK_FILTER_ENUM_NEWEST,
				       PK_FILTER_ENUM_ARCH, -1);
}

/* A catalogue's packages have any of PackageKit's groups, but not those that aren't a property of a package. */
G_MODULE_EXPORT PkBitfield
pk_backend_get_groups (PkBackend *backend G_GNUC_UNUSED)
{
	PkBitfield groups = 0;

	for (guint group = PK_GROUP_ENUM_UNKNOWN + 1; group <= PK_GROUP_ENUM_NEWEST; group++) {
		if (group != PK_GROUP_ENUM_COLLECTIONS && group != PK_GROUP_ENUM_NEWEST)
			pk_bitfield_add (groups, group);
	}
	return groups;
}

/* The caller frees them. */
G_MODULE_EXPORT gchar **
pk_backend_get_mime_types (PkBackend *backend G_GNUC_UNUSED)
{
	const gchar *types[] = { "application/x-rpm", NULL };

	return g_strdupv ((gchar **) types);
}

/* packagekitd may start any number of queries beside one changing transaction: the lanes queue them. */
G_MODULE_EXPORT gboolean
pk_backend_supports_parallelization (PkBackend *backend G_GNUC_UNUSED)
{
	return TRUE;
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

/* ---- commands ---- */

static gchar *
write_boolean (gboolean value)
{
	return g_strdup (value ? "yes" : "no");
}

static gchar *
write_filters (PkBitfield filters)
{
	return pk_filter_bitfield_to_string (filters);
}

static gchar *
write_flags (PkBitfield flags)
{
	return pk_transaction_flag_bitfield_to_string (flags);
}

/* NULL where an element has the separator, and would be read as two: PackageKit has checked it as one. */
static gchar *
write_list (gchar **list, const gchar *separator)
{
	for (guint i = 0; list[i] != NULL; i++) {
		if (strstr (list[i], separator) != NULL)
			return NULL;
	}
	return g_strjoinv (separator, list);
}

/* What people search for: "a&b" means the same as "a", "b". */
static gchar *
write_words (gchar **list)
{
	return g_strjoinv ("&", list);
}

static gboolean
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

static void
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

/* SIGTERM cancels the command, not the helper: its stdin stays open. Where it has no effect the timer goes on. */
static void
cancel_running (Lane *lane)
{
	lane->running->cancelled = TRUE;
	if (lane->helper == NULL || lane->helper->step != SERVING)
		return;
	kill (lane->helper->pid, SIGTERM);
	helper_set_timer (lane->helper, GRACE_MS);
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

/* ---- lanes ---- */

/* Gives the helper the next command, where it's ready for one. */
static void
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
static void
lane_finish (Lane *lane)
{
	g_autoptr(Command) command = NULL;
	gboolean crossed;

	command = g_steal_pointer (&lane->running);
	crossed = command->cancelled && lane->replies.error != PK_ERROR_ENUM_TRANSACTION_CANCELLED;
	replies_flush (&lane->replies);
	replies_end (&lane->replies);
	pk_backend_job_finished (command->job);
	if (lane->helper->step != SERVING)
		return;
	if (crossed)
		helper_end (lane->helper, ASKED);
	else
		helper_set_timer (lane->helper, lane->presolve->idle_seconds * 1000);
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

	return !lane->replies.any && !lane->running->retried && !lane->running->cancelled && helper->fault == NULL &&
	       helper->n_commands > 1 && (exited || helper->broken_pipe);
}

/* The process has ended, and was reaped; the helper is freed by the caller. */
static void
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
		replies_end (&lane->replies);
		pk_backend_job_finished (command->job);
	}
	lane_run (lane);
}

/* ---- helper: reading ---- */

/* The output makes no sense, so nothing can be known of the command any more. */
static void
helper_fault (Helper *helper, const gchar *fault)
{
	if (helper->fault != NULL)
		return;
	g_warning ("%s: the helper is stopped: %s", helper->lane->name, fault);
	helper->fault = g_strdup (fault);
	helper_end (helper, TERMINATED);
}

static void
helper_bad_line (Helper *helper, const gchar *line, gsize length, const gchar *reason)
{
	g_autofree gchar *start = g_strndup (line, MIN (length, 200));
	g_autofree gchar *readable = g_strescape (start, NULL);

	g_warning ("%s: left out a line of the helper, %s: \"%s\"", helper->lane->name, reason, readable);
	if (++helper->n_bad_lines > MAX_BAD_LINES)
		helper_fault (helper, "too many lines that can't be read");
}

static void
helper_line (Helper *helper, const gchar *line, gsize length)
{
	Lane *lane = helper->lane;
	g_autoptr(GError) error = NULL;

	if (lane->running == NULL)
		helper_bad_line (helper, line, length, "no command is running");
	else if (!replies_line (&lane->replies, line, length, &error))
		helper_bad_line (helper, line, length, error->message);
	else if (lane->replies.finished)
		lane_finish (lane);
}

/* Takes the whole lines out of the buffer. */
static void
helper_lines (Helper *helper)
{
	GByteArray *unread = helper->unread;
	gsize start = 0;

	while (helper->fault == NULL) {
		const gchar *line = (const gchar *) unread->data + start;
		const gchar *end = unread->len > start ? memchr (line, '\n', unread->len - start) : NULL;

		if ((end == NULL ? unread->len - start : (gsize) (end - line)) > MAX_LINE)
			helper_fault (helper, "a line is too long");
		else if (end == NULL)
			break;
		else {
			helper_line (helper, line, end - line);
			start += end - line + 1;
		}
	}
	g_byte_array_remove_range (unread, 0, helper->fault == NULL ? start : unread->len);
	if (helper->lane->running != NULL)
		replies_flush (&helper->lane->replies);
}

/* Reads once, at most READ_AT_ONCE, after what is in the buffer: >0, 0 at the end, <0 where nothing is there now. */
static gssize
read_some (gint fd, GByteArray *buffer)
{
	guint length = buffer->len;
	gssize n;

	g_byte_array_set_size (buffer, length + READ_AT_ONCE);
	do
		n = read (fd, buffer->data + length, READ_AT_ONCE);
	while (n < 0 && errno == EINTR);
	g_byte_array_set_size (buffer, length + MAX (n, 0));
	if (n < 0 && errno != EAGAIN)
		return 0;
	return n;
}

static void
source_clear (GSource **source)
{
	if (*source == NULL)
		return;
	g_source_destroy (*source);
	g_source_unref (*source);
	*source = NULL;
}

static void
fd_clear (gint *fd)
{
	if (*fd >= 0)
		close (*fd);
	*fd = -1;
}

/* Once. False at the end of stdout, and where nothing is there now. */
static gboolean
helper_read (Helper *helper)
{
	gssize n;

	if (helper->out < 0)
		return FALSE;
	n = read_some (helper->out, helper->unread);
	if (n > 0) {
		helper_lines (helper);
		return TRUE;
	}
	if (n == 0) {
		source_clear (&helper->reading);
		fd_clear (&helper->out);
	}
	return FALSE;
}

/* To the log, line by line. Nobody waits for a newline that is too far away. */
static gboolean
helper_log (Helper *helper)
{
	gssize n;

	if (helper->err < 0)
		return FALSE;
	n = read_some (helper->err, helper->unlogged);
	if (n == 0) {
		source_clear (&helper->logging);
		fd_clear (&helper->err);
	}
	for (;;) {
		const gchar *text = (const gchar *) helper->unlogged->data;
		gsize length = helper->unlogged->len;
		const gchar *end = length > 0 ? memchr (text, '\n', length) : NULL;
		g_autofree gchar *line = NULL;

		if (end != NULL)
			length = end - text;
		else if (length == 0 || (n != 0 && length < READ_AT_ONCE))
			break;
		line = g_utf8_make_valid (text, length);
		g_strchomp (line);
		if (strstr (line, "[WARN]") != NULL || strstr (line, "[ERROR]") != NULL)
			g_warning ("%s: helper %d: %s", helper->lane->name, helper->pid, line);
		else
			g_debug ("%s: helper %d: %s", helper->lane->name, helper->pid, line);
		g_byte_array_remove_range (helper->unlogged, 0, end != NULL ? length + 1 : length);
	}
	return n > 0;
}

/* A helper whose stdout has ended, but that hasn't, is of no use. One that is just exiting doesn't see the signal. */
static gboolean
on_readable (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	Helper *helper = data;
	Lane *lane = helper->lane;

	if (!helper_read (helper) && helper->out < 0)
		helper_end (helper, TERMINATED);
	lane_run (lane);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_log_readable (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	helper_log (data);
	return G_SOURCE_CONTINUE;
}

/* ---- helper: writing ---- */

static gboolean
on_writable (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data);

/* Writes what there is room for; the main loop calls again where that isn't all. */
static void
helper_write (Helper *helper)
{
	gssize n = 0;

	while (helper->in >= 0 && helper->unwritten->len > 0) {
		n = write (helper->in, helper->unwritten->data, helper->unwritten->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		g_byte_array_remove_range (helper->unwritten, 0, n);
	}
	if (n < 0 && errno != EAGAIN) {
		helper->broken_pipe = TRUE;
		helper_end (helper, TERMINATED);
	} else if (helper->unwritten->len == 0) {
		source_clear (&helper->writing);
	} else if (helper->writing == NULL) {
		helper->writing = g_unix_fd_source_new (helper->in, G_IO_OUT | G_IO_ERR | G_IO_HUP);
		g_source_set_callback (helper->writing, G_SOURCE_FUNC (on_writable), helper, NULL);
		g_source_attach (helper->writing, NULL);
	}
}

static gboolean
on_writable (gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	helper_write (data);
	return G_SOURCE_CONTINUE;
}

static void
helper_give (Helper *helper, Command *command)
{
	source_clear (&helper->timer);
	helper->n_bad_lines = 0;
	if (helper->n_commands++ > 0 || !helper->has_first) {
		g_autofree gchar *line = g_strjoinv ("\t", command->words);

		g_byte_array_append (helper->unwritten, (const guint8 *) line, strlen (line));
		g_byte_array_append (helper->unwritten, (const guint8 *) "\n", 1);
		helper_write (helper);
	}
}

/* ---- helper: its end ---- */

static gboolean
helper_may_be_killed (Helper *helper)
{
	return helper->lane->running == NULL || helper->lane->replies.allow_cancel;
}

static void
helper_wait_for_consent (Helper *helper)
{
	g_debug ("%s: the helper %d must not be killed now", helper->lane->name, helper->pid);
	helper_set_timer (helper, GRACE_MS);
}

static void
helper_close_stdin (Helper *helper)
{
	source_clear (&helper->writing);
	g_byte_array_set_size (helper->unwritten, 0);
	fd_clear (&helper->in);
}

/* Takes the step, unless it was taken already, and sees to it that the next one follows. */
static void
helper_end (Helper *helper, Step step)
{
	if (helper->step > step || (helper->step == step && step != KILLED))
		return;
	helper->step = step;
	if (step == ASKED && helper->in >= 0 && write (helper->in, "exit\n", 5) < 0)
		g_debug ("%s: the helper can't be asked to exit: %s", helper->lane->name, g_strerror (errno));
	helper_close_stdin (helper);
	if (step == TERMINATED)
		kill (helper->pid, SIGTERM);
	if (step == KILLED && helper_may_be_killed (helper)) {
		g_warning ("%s: the helper %d has to be killed", helper->lane->name, helper->pid);
		kill (helper->pid, SIGKILL);
		source_clear (&helper->timer);
	} else if (step == KILLED) {
		helper_wait_for_consent (helper);
	} else {
		helper_set_timer (helper, GRACE_MS);
	}
}

/*
 * What is due depends on what the helper is doing: one that is idle is asked to exit, one that doesn't heed a cancel is
 * killed, one that is told to end gets the next step. Its output is read first: it may have answered just now.
 */
static gboolean
on_timer (gpointer data)
{
	Helper *helper = data;
	Lane *lane = helper->lane;

	source_clear (&helper->timer);
	while (helper_read (helper))
		;
	if (helper->timer != NULL)
		;	/* it has answered, and what is due now was set anew */
	else if (helper->step != SERVING)
		helper_end (helper, MIN (helper->step + 1, KILLED));
	else if (lane->running == NULL)
		helper_end (helper, ASKED);
	else if (lane->running->cancelled && helper_may_be_killed (helper))
		helper_end (helper, KILLED);
	else if (lane->running->cancelled)
		helper_wait_for_consent (helper);
	lane_run (lane);
	return G_SOURCE_REMOVE;
}

static void
helper_set_timer (Helper *helper, guint milliseconds)
{
	source_clear (&helper->timer);
	helper->timer = g_timeout_source_new (milliseconds);
	g_source_set_callback (helper->timer, on_timer, helper, NULL);
	g_source_attach (helper->timer, NULL);
}

/* What it wrote before it ended counts. */
static void
on_exit_of_helper (GPid pid G_GNUC_UNUSED, gint status, gpointer data)
{
	Helper *helper = data;
	Lane *lane = helper->lane;

	helper->step = KILLED;		/* there is no process any more that could be told anything */
	while (helper_read (helper))
		;
	while (helper_log (helper))
		;
	lane_lost_helper (lane, helper, status);
	helper_free (helper);
}

static void
helper_free (Helper *helper)
{
	source_clear (&helper->writing);
	source_clear (&helper->reading);
	source_clear (&helper->logging);
	source_clear (&helper->exiting);
	source_clear (&helper->timer);
	fd_clear (&helper->in);
	fd_clear (&helper->out);
	fd_clear (&helper->err);
	g_byte_array_unref (helper->unwritten);
	g_byte_array_unref (helper->unread);
	g_byte_array_unref (helper->unlogged);
	g_strfreev (helper->environment);
	g_free (helper->fault);
	g_free (helper);
}

/* Waits for the process without a main loop. Its output is read all the while, lest it waits for that. */
static gboolean
helper_wait (Helper *helper, guint milliseconds)
{
	gint64 end = g_get_monotonic_time () + (gint64) milliseconds * 1000;

	do {
		struct pollfd outputs[] = { { helper->out, POLLIN, 0 }, { helper->err, POLLIN, 0 } };

		if (waitpid (helper->pid, NULL, WNOHANG) != 0)
			return TRUE;
		poll (outputs, G_N_ELEMENTS (outputs), 10);
		g_byte_array_set_size (helper->unread, 0);
		if (helper->out >= 0 && read_some (helper->out, helper->unread) == 0)
			fd_clear (&helper->out);
		helper_log (helper);
	} while (g_get_monotonic_time () < end);
	return FALSE;
}

/* Ends the process, which was told already, and frees the helper. Where it must not be killed it's left to itself. */
static void
helper_destroy (Helper *helper)
{
	gboolean killable = helper_may_be_killed (helper);

	source_clear (&helper->exiting);
	source_clear (&helper->timer);
	source_clear (&helper->reading);
	source_clear (&helper->logging);
	if (!helper_wait (helper, GRACE_MS * (killable ? 1 : GRACE_UNKILLABLE))) {
		kill (helper->pid, SIGTERM);
		if (!helper_wait (helper, GRACE_MS) && killable) {
			kill (helper->pid, SIGKILL);
			helper_wait (helper, GRACE_MS);
		}
	}
	helper_free (helper);
}

/* ---- helper: its start ---- */

/*
 * In the child, before the helper: it's cancelled when packagekitd dies, however that happens. Only what is
 * async-signal-safe may be called.
 */
static void
before_exec (gpointer data G_GNUC_UNUSED)
{
	prctl (PR_SET_PDEATHSIG, SIGTERM);
}

/* Thousands of names make a word that doesn't: that command is written to stdin, like all but the first. */
static gboolean
fits_command_line (Command *command)
{
	for (gchar **word = command->words; *word != NULL; word++) {
		if (strlen (*word) > MAX_COMMAND_LINE_WORD)
			return FALSE;
	}
	return TRUE;
}

static gchar **
helper_argv (Lane *lane, Command *command)
{
	GPtrArray *argv = g_ptr_array_new ();

	g_ptr_array_add (argv, g_strdup (lane->presolve->helper_path));
	g_ptr_array_add (argv, g_strdup ("--dialect"));
	g_ptr_array_add (argv, g_strdup (DIALECT));
	for (gchar **word = command->words; fits_command_line (command) && *word != NULL; word++)
		g_ptr_array_add (argv, g_strdup (*word));
	g_ptr_array_add (argv, NULL);
	return (gchar **) g_ptr_array_free (argv, FALSE);
}

/*
 * stdout is read at the priority at which packagekitd sends "finished", which is below that of all other signals: what
 * was read is signalled before more of it is read, and a helper with a lot to say doesn't hold up the end of another
 * one's job.
 */
static GSource *
watch_fd (gint fd, GUnixFDSourceFunc func, Helper *helper)
{
	GSource *source = g_unix_fd_source_new (fd, G_IO_IN | G_IO_HUP | G_IO_ERR);

	g_source_set_priority (source, G_PRIORITY_LOW);
	g_source_set_callback (source, G_SOURCE_FUNC (func), helper, NULL);
	g_source_attach (source, NULL);
	return source;
}

static void
helper_watch (Helper *helper)
{
	g_unix_set_fd_nonblocking (helper->in, TRUE, NULL);
	g_unix_set_fd_nonblocking (helper->out, TRUE, NULL);
	g_unix_set_fd_nonblocking (helper->err, TRUE, NULL);
	helper->reading = watch_fd (helper->out, on_readable, helper);
	helper->logging = watch_fd (helper->err, on_log_readable, helper);
	helper->exiting = g_child_watch_source_new (helper->pid);
	g_source_set_callback (helper->exiting, G_SOURCE_FUNC (on_exit_of_helper), helper, NULL);
	g_source_attach (helper->exiting, NULL);
}

static Helper *
helper_start (Lane *lane, Command *command, gchar **environment, GError **error)
{
	g_auto(GStrv) argv = helper_argv (lane, command);
	Helper *helper = g_new0 (Helper, 1);

	helper->lane = lane;
	helper->has_first = fits_command_line (command);
	helper->in = helper->out = helper->err = -1;
	helper->environment = g_strdupv (environment);
	helper->unwritten = g_byte_array_new ();
	helper->unread = g_byte_array_new ();
	helper->unlogged = g_byte_array_new ();
	if (!g_spawn_async_with_pipes ("/", argv, environment, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES,
				       before_exec, NULL, &helper->pid, &helper->in, &helper->out, &helper->err,
				       error)) {
		helper_free (helper);
		return NULL;
	}
	g_debug ("%s: started helper %d for %s", lane->name, helper->pid, command->words[0]);
	helper_watch (helper);
	return helper;
}

/* ---- environment ---- */

/* Sessions choose some of the values: none of them may hide a second line, in a log or elsewhere. */
static void
environment_add (GPtrArray *environment, const gchar *name, const gchar *value)
{
	if (value == NULL || *value == '\0')
		return;
	if (has_control_characters (value))
		g_warning ("%s is left out: it has control characters", name);
	else
		g_ptr_array_add (environment, g_strdup_printf ("%s=%s", name, value));
}

static void
environment_add_proxy (GPtrArray *environment, const gchar *name, const gchar *proxy, gchar *(*convert) (const gchar *))
{
	g_autofree gchar *uri = proxy != NULL && *proxy != '\0' ? convert (proxy) : NULL;

	environment_add (environment, name, uri);
}

static void
environment_add_cache_age (GPtrArray *environment, guint seconds)
{
	g_autofree gchar *text = NULL;

	if (seconds == G_MAXUINT)
		text = g_strdup ("-1");
	else if (seconds > 0)
		text = g_strdup_printf ("%u", seconds);
	environment_add (environment, "CACHE_AGE", text);
}

/*
 * All that a helper sees of packagekitd's environment, and of whom the job is for: what protocol.md lists, and PATH.
 * A process can't be given another environment, so a change means another helper; see lane_run.
 */
static gchar **
environment_new (PkBackend *backend, PkBackendJob *job)
{
	GPtrArray *environment = g_ptr_array_new ();
	g_autofree gchar *eulas = pk_backend_get_accepted_eula_string (backend);
	g_autofree gchar *uid = g_strdup_printf ("%u", pk_backend_job_get_uid (job));

	environment_add (environment, "PATH", HELPER_SEARCH_PATH);
	environment_add (environment, "LANG", pk_backend_job_get_locale (job));
	environment_add (environment, "NETWORK", pk_backend_is_online (backend) ? "TRUE" : "FALSE");
	environment_add (environment, "BACKGROUND", pk_backend_job_get_background (job) ? "TRUE" : "FALSE");
	environment_add (environment, "INTERACTIVE", pk_backend_job_get_interactive (job) ? "TRUE" : "FALSE");
	environment_add (environment, "UID", uid);
	environment_add_cache_age (environment, pk_backend_job_get_cache_age (job));
	environment_add (environment, "FRONTEND_SOCKET", pk_backend_job_get_frontend_socket (job));
	environment_add (environment, "accepted_eulas", eulas);
	environment_add_proxy (environment, "http_proxy", pk_backend_job_get_proxy_http (job), pk_backend_convert_uri);
	environment_add_proxy (environment, "https_proxy", pk_backend_job_get_proxy_https (job), pk_backend_convert_uri);
	environment_add_proxy (environment, "ftp_proxy", pk_backend_job_get_proxy_ftp (job), pk_backend_convert_uri);
	environment_add_proxy (environment, "all_proxy", pk_backend_job_get_proxy_socks (job),
			       pk_backend_convert_uri_socks);
	environment_add (environment, "no_proxy", pk_backend_job_get_no_proxy (job));
	environment_add (environment, "pac", pk_backend_job_get_pac (job));
	g_ptr_array_add (environment, NULL);
	return (gchar **) g_ptr_array_free (environment, FALSE);
}
