/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend on PackageKit's own spawning code, for tests alone: it shows that the helper works with a stub which isn't
 * ours, as distributions may have one. pk_backend_spawn_* is exported by packagekitd 1.2.0 to 1.3.6.
 *
 * PRESOLVE_HELPER is the helper's absolute path; it's started with a command and no --dialect.
 */
#include "../stub/packagekitd.h"

#include <gmodule.h>

/* PackageKit looks for helpers below a folder of its own: from there, this is the root. */
#define TO_ROOT "../../../../../.."

typedef struct _PkBackendSpawn PkBackendSpawn;

PkBackendSpawn *pk_backend_spawn_new (GKeyFile *conf);
gboolean pk_backend_spawn_set_name (PkBackendSpawn *spawn, const gchar *name);
gboolean pk_backend_spawn_helper (PkBackendSpawn *spawn, PkBackendJob *job, const gchar *helper, ...) G_GNUC_NULL_TERMINATED;
gboolean pk_backend_spawn_kill (PkBackendSpawn *spawn);
gboolean pk_backend_spawn_exit (PkBackendSpawn *spawn);
gboolean pk_backend_spawn_is_busy (PkBackendSpawn *spawn);

static struct {
	PkBackendSpawn	*spawn;		/* owned */
	gchar		*helper;	/* owned */
} state;

G_MODULE_EXPORT const gchar *
pk_backend_get_description (PkBackend *backend G_GNUC_UNUSED)
{
	return "PackageKit's spawning code with the presolve helper";
}

G_MODULE_EXPORT void
pk_backend_initialize (GKeyFile *conf, PkBackend *backend G_GNUC_UNUSED)
{
	state.spawn = pk_backend_spawn_new (conf);
	pk_backend_spawn_set_name (state.spawn, ".");
	state.helper = g_build_filename (TO_ROOT, g_getenv ("PRESOLVE_HELPER"), NULL);
}

G_MODULE_EXPORT void
pk_backend_destroy (PkBackend *backend G_GNUC_UNUSED)
{
	pk_backend_spawn_exit (state.spawn);
	g_clear_object (&state.spawn);
	g_clear_pointer (&state.helper, g_free);
}

/* PackageKit runs a transaction again, alone, that was refused with lock-required. */
G_MODULE_EXPORT void
pk_backend_start_job (PkBackend *backend G_GNUC_UNUSED, PkBackendJob *job)
{
	if (pk_backend_spawn_is_busy (state.spawn))
		pk_backend_job_error_code (job, PK_ERROR_ENUM_LOCK_REQUIRED, "The helper is busy");
}

G_MODULE_EXPORT void
pk_backend_cancel (PkBackend *backend G_GNUC_UNUSED, PkBackendJob *job G_GNUC_UNUSED)
{
	pk_backend_spawn_kill (state.spawn);
}

static void
run (PkBackendJob *job, const gchar *command, gchar *first, gchar **list)
{
	g_autofree gchar *owned_first = first;
	g_autofree gchar *values = g_strjoinv ("&", list);

	if (first != NULL)
		pk_backend_spawn_helper (state.spawn, job, state.helper, command, first, values, NULL);
	else
		pk_backend_spawn_helper (state.spawn, job, state.helper, command, values, NULL);
}

G_MODULE_EXPORT void
pk_backend_resolve (PkBackend *backend G_GNUC_UNUSED, PkBackendJob *job, PkBitfield filters, gchar **names)
{
	run (job, "resolve", pk_filter_bitfield_to_string (filters), names);
}

G_MODULE_EXPORT void
pk_backend_search_names (PkBackend *backend G_GNUC_UNUSED, PkBackendJob *job, PkBitfield filters, gchar **values)
{
	run (job, "search-name", pk_filter_bitfield_to_string (filters), values);
}

G_MODULE_EXPORT void
pk_backend_get_details (PkBackend *backend G_GNUC_UNUSED, PkBackendJob *job, gchar **ids)
{
	run (job, "get-details", NULL, ids);
}

G_MODULE_EXPORT void
pk_backend_install_packages (PkBackend *backend G_GNUC_UNUSED, PkBackendJob *job, PkBitfield flags, gchar **ids)
{
	run (job, "install-packages", pk_transaction_flag_bitfield_to_string (flags), ids);
}
