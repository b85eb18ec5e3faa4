/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packagekitd that has just enough for a backend, for what can't be tested with the real one: other releases of
 * PackageKit, environments that need a login session, and leaks.
 *
 *   host STUB.so BACKEND_SHUTDOWN_TIMEOUT
 *
 * -DRELEASE=120, 124, 126 or 133 chooses which pk_backend_job_details, _details_full and _packages it has, as 1.2.0,
 * 1.2.4, 1.2.6 and 1.3.3 do. It reads lines from stdin:
 *
 *   set NAME VALUE      what the next jobs' pk_backend_job_get_NAME is, or whether the network is there
 *   search WORD         a job with the role search_names; repeat N WORD: N of them, one after the other
 *   details ID, install ID
 *   cancel              cancels the last job
 *
 * and prints each call of a job as a line; "done" after repeat. At the end of stdin it destroys the backend.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../stub/packagekitd.h"

#include <gmodule.h>

#define EXPORT __attribute__ ((visibility ("default")))

struct _PkBackend { GObject parent; gpointer user_data; };
struct _PkBackendJob { GObject parent; guint n; gboolean repeated; };
typedef struct { GObjectClass parent; } PkBackendClass;
typedef struct { GObjectClass parent; } PkBackendJobClass;
static GType pk_backend_get_type (void);
static GType pk_backend_job_get_type (void);
G_DEFINE_TYPE (PkBackend, pk_backend, G_TYPE_OBJECT)
G_DEFINE_TYPE (PkBackendJob, pk_backend_job, G_TYPE_OBJECT)
static void pk_backend_init (PkBackend *backend) { (void) backend; }
static void pk_backend_class_init (PkBackendClass *class) { (void) class; }
static void pk_backend_job_init (PkBackendJob *job) { (void) job; }
static void pk_backend_job_class_init (PkBackendJobClass *class) { (void) class; }

static GModule *stub;
static PkBackend *backend;
static PkBackendJob *job;
static GHashTable *settings;
static GMainLoop *loop;
static guint n_jobs, n_left;
static gchar *word;

static const gchar *setting (const gchar *name) { return g_hash_table_lookup (settings, name); }
static gboolean is_set (const gchar *name) { return g_strcmp0 (setting (name), "yes") == 0; }

static gpointer
entry (const gchar *name)
{
	gpointer symbol = NULL;

	if (!g_module_symbol (stub, name, &symbol))
		g_error ("no %s", name);
	return symbol;
}

static G_GNUC_PRINTF (2, 3) void
say (PkBackendJob *j, const gchar *format, ...)
{
	va_list args;

	if (j->repeated)
		return;
	printf ("%u ", j->n);
	va_start (args, format);
	vprintf (format, args);
	va_end (args);
	putchar ('\n');
	fflush (stdout);
}

static void
begin (gboolean repeated)
{
	g_clear_object (&job);
	job = g_object_new (pk_backend_job_get_type (), NULL);
	job->n = ++n_jobs;
	job->repeated = repeated;
}

static void
search (gboolean repeated)
{
	gchar *values[] = { word, NULL };
	void (*func) (PkBackend *, PkBackendJob *, PkBitfield, gchar **) = entry ("pk_backend_search_names");

	begin (repeated);
	func (backend, job, pk_bitfield_value (PK_FILTER_ENUM_NONE), values);
}

static gboolean
search_again (gpointer data)
{
	(void) data;
	if (n_left == 0) {
		puts ("done");
		fflush (stdout);
	} else {
		n_left--;
		search (TRUE);
	}
	return G_SOURCE_REMOVE;
}

EXPORT gpointer pk_backend_get_user_data (PkBackend *b) { return b->user_data; }
EXPORT void pk_backend_set_user_data (PkBackend *b, gpointer data) { b->user_data = data; }
EXPORT gboolean pk_backend_is_online (PkBackend *b) { (void) b; return is_set ("online"); }
EXPORT gchar *pk_backend_get_accepted_eula_string (PkBackend *b) { (void) b; return g_strdup (setting ("eulas")); }
EXPORT gchar *pk_backend_convert_uri (const gchar *p) { return g_strdup_printf ("http://%s/", p); }
EXPORT gchar *pk_backend_convert_uri_socks (const gchar *p) { return g_strdup_printf ("socks://%s/", p); }
EXPORT gboolean pk_backend_job_get_background (PkBackendJob *j) { (void) j; return is_set ("background"); }
EXPORT gboolean pk_backend_job_get_interactive (PkBackendJob *j) { (void) j; return is_set ("interactive"); }

EXPORT PkRoleEnum pk_backend_job_get_role (PkBackendJob *j) { (void) j; return PK_ROLE_ENUM_SEARCH_NAME; }

EXPORT guint
pk_backend_job_get_cache_age (PkBackendJob *j)
{
	(void) j;
	return setting ("cache_age") != NULL ? strtoul (setting ("cache_age"), NULL, 10) : 0;
}

EXPORT guint
pk_backend_job_get_uid (PkBackendJob *j)
{
	(void) j;
	return setting ("uid") != NULL ? strtoul (setting ("uid"), NULL, 10) : 0;
}

#define GETTER(name) EXPORT const gchar *pk_backend_job_get_##name (PkBackendJob *j) { (void) j; return setting (#name); }
GETTER (cmdline)
GETTER (frontend_socket)
GETTER (locale)
GETTER (no_proxy)
GETTER (pac)
GETTER (proxy_ftp)
GETTER (proxy_http)
GETTER (proxy_https)
GETTER (proxy_socks)

EXPORT void
pk_backend_job_finished (PkBackendJob *j)
{
	say (j, "finished");
	if (j->repeated)
		g_idle_add (search_again, NULL);
}

EXPORT void
pk_backend_job_error_code (PkBackendJob *j, PkErrorEnum code, const gchar *format, ...)
{
	g_autofree gchar *text = NULL;
	va_list args;

	va_start (args, format);
	text = g_strdup_vprintf (format, args);
	va_end (args);
	say (j, "error %s %s", pk_error_enum_to_string (code), text);
}

EXPORT void
pk_backend_job_package (PkBackendJob *j, PkInfoEnum info, const gchar *id, const gchar *summary)
{
	say (j, "package %s %s %s", pk_info_enum_to_string (info), id, summary);
}

#if RELEASE >= 126
EXPORT void
pk_backend_job_packages (PkBackendJob *j, GPtrArray *packages)
{
	for (guint i = 0; i < packages->len; i++) {
		PkPackage *p = g_ptr_array_index (packages, i);

		say (j, "packages %s %s %s", pk_info_enum_to_string (pk_package_get_info (p)), pk_package_get_id (p),
		     pk_package_get_summary (p));
	}
}
#endif

#if RELEASE >= 133
EXPORT void
pk_backend_job_details (PkBackendJob *j, const gchar *id, const gchar *summary, const gchar *license, PkGroupEnum group,
			const gchar *description, const gchar *url, gulong size, guint64 download)
{
	say (j, "details %s %s %s %s %s %s %lu %" G_GUINT64_FORMAT, id, summary, license, pk_group_enum_to_string (group),
	     description, url, size, download);
}
#else
EXPORT void
pk_backend_job_details (PkBackendJob *j, const gchar *id, const gchar *summary, const gchar *license, PkGroupEnum group,
			const gchar *description, const gchar *url, gulong size)
{
	say (j, "details %s %s %s %s %s %s %lu", id, summary, license, pk_group_enum_to_string (group), description, url,
	     size);
}
#endif

#if RELEASE >= 124 && RELEASE < 133
EXPORT void
pk_backend_job_details_full (PkBackendJob *j, const gchar *id, const gchar *summary, const gchar *license,
			     PkGroupEnum group, const gchar *description, const gchar *url, gulong size,
			     guint64 download)
{
	say (j, "details_full %s %s %s %s %s %s %lu %" G_GUINT64_FORMAT, id, summary, license,
	     pk_group_enum_to_string (group), description, url, size, download);
}
#endif

#define ANY(name, ...) EXPORT void pk_backend_job_##name (PkBackendJob *j, __VA_ARGS__)
ANY (files, const gchar *id, gchar **files) { say (j, "files %s %s", id, files[0]); }
ANY (update_detail, const gchar *id, gchar **a G_GNUC_UNUSED, gchar **b G_GNUC_UNUSED, gchar **c G_GNUC_UNUSED,
     gchar **d G_GNUC_UNUSED, gchar **e G_GNUC_UNUSED, PkRestartEnum f G_GNUC_UNUSED, const gchar *g G_GNUC_UNUSED,
     const gchar *h G_GNUC_UNUSED, PkUpdateStateEnum i G_GNUC_UNUSED, const gchar *k G_GNUC_UNUSED,
     const gchar *l G_GNUC_UNUSED) { say (j, "update_detail %s", id); }
ANY (repo_detail, const gchar *id, const gchar *d, gboolean e) { say (j, "repo_detail %s %s %d", id, d, e); }
ANY (category, const gchar *p, const gchar *id, const gchar *n, const gchar *s, const gchar *i)
	{ say (j, "category %s %s %s %s %s", p, id, n, s, i); }
ANY (distro_upgrade, PkDistroUpgradeEnum e, const gchar *n, const gchar *s) { say (j, "distro_upgrade %d %s %s", e, n, s); }
ANY (repo_signature_required, const gchar *id, const gchar *r, const gchar *a G_GNUC_UNUSED, const gchar *b G_GNUC_UNUSED,
     const gchar *c G_GNUC_UNUSED, const gchar *d G_GNUC_UNUSED, const gchar *e G_GNUC_UNUSED, PkSigTypeEnum t)
	{ say (j, "repo_signature_required %s %s %d", id, r, t); }
ANY (eula_required, const gchar *e, const gchar *id, const gchar *v, const gchar *t)
	{ say (j, "eula_required %s %s %s %s", e, id, v, t); }
ANY (media_change_required, PkMediaTypeEnum m, const gchar *id, const gchar *t)
	{ say (j, "media_change_required %d %s %s", m, id, t); }
ANY (require_restart, PkRestartEnum r, const gchar *id) { say (j, "require_restart %d %s", r, id); }
ANY (set_status, PkStatusEnum s) { say (j, "status %s", pk_status_enum_to_string (s)); }
ANY (set_percentage, guint p) { say (j, "percentage %u", p); }
ANY (set_item_progress, const gchar *id, PkStatusEnum s, guint p) { say (j, "item_progress %s %d %u", id, s, p); }
ANY (set_speed, guint s) { say (j, "speed %u", s); }
ANY (set_download_size_remaining, guint64 b) { say (j, "download_size_remaining %" G_GUINT64_FORMAT, b); }
ANY (set_allow_cancel, gboolean a) { say (j, "allow_cancel %d", a); }

static void
obey (gchar **f)
{
	gchar *ids[] = { f[1], NULL };
	guint n = g_strv_length (f);

	if (strcmp (f[0], "set") == 0 && n > 2) {
		g_hash_table_replace (settings, g_strdup (f[1]), g_strdup (f[2]));
	} else if (strcmp (f[0], "search") == 0 && n > 1) {
		g_free (word);
		word = g_strdup (f[1]);
		search (FALSE);
	} else if (strcmp (f[0], "repeat") == 0 && n > 2) {
		g_free (word);
		word = g_strdup (f[2]);
		n_left = strtoul (f[1], NULL, 10);
		search_again (NULL);
	} else if (strcmp (f[0], "details") == 0) {
		void (*func) (PkBackend *, PkBackendJob *, gchar **) = entry ("pk_backend_get_details");

		begin (FALSE);
		func (backend, job, ids);
	} else if (strcmp (f[0], "install") == 0) {
		void (*func) (PkBackend *, PkBackendJob *, PkBitfield, gchar **) = entry ("pk_backend_install_packages");

		begin (FALSE);
		func (backend, job, 0, ids);
	} else if (strcmp (f[0], "cancel") == 0) {
		void (*func) (PkBackend *, PkBackendJob *) = entry ("pk_backend_cancel");

		func (backend, job);
	}
}

static gboolean
on_stdin (GIOChannel *channel, GIOCondition condition, gpointer data)
{
	g_autofree gchar *line = NULL;
	g_auto(GStrv) fields = NULL;

	(void) condition;
	(void) data;
	if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
		g_main_loop_quit (loop);
		return G_SOURCE_REMOVE;
	}
	fields = g_strsplit (g_strchomp (line), " ", 3);
	obey (fields);
	return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
	g_autoptr(GKeyFile) conf = g_key_file_new ();
	GIOChannel *in = g_io_channel_unix_new (0);
	void (*initialize) (GKeyFile *, PkBackend *);
	void (*destroy) (PkBackend *);

	if (argc != 3)
		return 2;
	stub = g_module_open (argv[1], 0);
	if (stub == NULL)
		g_error ("%s", g_module_error ());
	settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
	backend = g_object_new (pk_backend_get_type (), NULL);
	g_key_file_set_string (conf, "Daemon", "BackendShutdownTimeout", argv[2]);
	initialize = entry ("pk_backend_initialize");
	destroy = entry ("pk_backend_destroy");
	initialize (conf, backend);

	loop = g_main_loop_new (NULL, FALSE);
	g_io_add_watch (in, G_IO_IN | G_IO_HUP, on_stdin, NULL);
	g_main_loop_run (loop);

	destroy (backend);
	g_clear_object (&job);
	g_object_unref (backend);
	g_hash_table_unref (settings);
	g_io_channel_unref (in);
	g_main_loop_unref (loop);
	g_free (word);
	return 0;	/* stub stays loaded, for the names in valgrind's reports */
}
