/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process of the helper: three pipes and a timer. Its lines are read by the main loop as they come, and become
 * signals of the job (replies.c).
 *
 * A helper is ended by steps, each taken when the one before had no effect for GRACE_MS: it's asked to (the line "exit",
 * and the end of its stdin), it's sent SIGTERM, it's sent SIGKILL. The last is never done while the helper has said
 * "allow-cancel false", since then it's in the middle of changing the system.
 *
 * What it writes to stderr goes to packagekitd's log. Each line begins with its level as sd-daemon(3) has it, "<4>" for a
 * warning; one that doesn't is none of its log, such as the trace of a crash, and worth a warning.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

/* What the helper is told to speak: the newest, whatever packagekitd speaks with stubs of its own. */
#define DIALECT "1.3"

/* The PATH of the helper, and so of rpm and its scriptlets. */
#define HELPER_SEARCH_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

/* pk_backend_destroy waits this many times longer for a helper that must not be killed. */
#define GRACE_UNKILLABLE 12

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

/* The user id that a helper is given for a caller whom packagekitd does not know: nobody's rights. */
#define NOBODY G_MAXUINT32

/* The least urgent level that is a warning (sd-daemon(3), syslog(3)). */
#define LEVEL_WARNING 4

static void helper_set_timer (Helper *helper, guint milliseconds);
static void helper_free (Helper *helper);

/* ---- reading ---- */

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

/* Reads stdout once. FALSE at its end, and where nothing is there now. */
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

static void
log_line (Helper *helper, const gchar *line)
{
	gint level = LEVEL_WARNING;

	if (line[0] == '<' && g_ascii_isdigit (line[1]) && line[2] == '>') {
		level = line[1] - '0';
		line += 3;
	}
	if (level <= LEVEL_WARNING)
		g_warning ("%s: helper %d: %s", helper->lane->name, helper->pid, line);
	else
		g_debug ("%s: helper %d: %s", helper->lane->name, helper->pid, line);
}

/* Writes stderr to the log, line by line. A line that is too long becomes several. */
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
		log_line (helper, line);
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

/* ---- writing ---- */

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

void
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

/* ---- its end ---- */

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

void
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

/* SIGTERM cancels the command, not the helper: its stdin stays open. Where it has no effect the timer goes on. */
void
helper_cancel (Helper *helper)
{
	kill (helper->pid, SIGTERM);
	helper_set_timer (helper, GRACE_MS);
}

void
helper_idle (Helper *helper, guint seconds)
{
	helper_set_timer (helper, seconds * 1000);
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

void
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

/* ---- its start ---- */

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
	g_ptr_array_add (argv, g_strdup ("--stay"));
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
 * Who asks, or NOBODY. packagekitd finds the caller by the login session, and sets user id and command line together; for
 * a caller without a session, such as a service's, it sets neither (pk_transaction_set_session_state, seen in 1.2.6), and
 * the user id stays 0, which is root's. Such a caller gets the rights of nobody, whoever it is.
 */
static guint
caller_uid (PkBackendJob *job)
{
	guint uid = pk_backend_job_get_uid (job);

	return uid == 0 && pk_backend_job_get_cmdline (job) == NULL ? NOBODY : uid;
}

/*
 * What PackageKit's own spawning code gives a helper (pk-backend-spawn.c, pk_backend_spawn_get_envp), and PATH. A process
 * can't be given another environment, so a change means another helper; see lane_run.
 */
gchar **
environment_new (PkBackend *backend, PkBackendJob *job)
{
	GPtrArray *environment = g_ptr_array_new ();
	g_autofree gchar *eulas = pk_backend_get_accepted_eula_string (backend);
	g_autofree gchar *uid = g_strdup_printf ("%u", caller_uid (job));

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

Helper *
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
