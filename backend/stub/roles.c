/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roles: what packagekitd asks a backend. It calls one entry for each role, with a job. The table ROLES says which helper
 * command that is, and how its arguments are written; the entry hands the command to a lane (lanes.c). And what the
 * backend says of itself: its name, its filters, its groups.
 *
 *   roles.c            lanes.c                  helper.c            replies.c
 *   entry -> submit -> Command -> Lane.waiting
 *                                 Lane.running -> Helper.in
 *                                                 Helper.out ------> Replies -> pk_backend_job_*
 *
 * Everything in these four files happens in packagekitd's main thread (see packagekitd.h), and nothing waits: not for a
 * lock, not for a process, not for a pipe. The one exception is pk_backend_destroy, after which there is no main loop any
 * more; that waits for a bounded time.
 */
#include "lanes.h"

#include <string.h>

#include <gmodule.h>

#ifndef GROUPS_PATH
#define GROUPS_PATH "/var/lib/pk-presolve/groups"
#endif

static gchar *
write_boolean (gboolean value)
{
	return g_strdup (value ? "yes" : "no");
}

static gchar *
write_deps_size (PkBackend *backend, PkBackendJob *job)
{
	const Presolve *presolve = pk_backend_get_user_data (backend);

	return write_boolean (presolve->daemon.with_deps_size != NULL && presolve->daemon.with_deps_size (job));
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

#define DETAILS_PARAMETERS		, gchar **ids
#define DETAILS_WORDS			, write_list (ids, "&"), write_deps_size (backend, job)

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
	R (get_details,		GET_DETAILS,		"get-details",		QUERIES, DETAILS) \
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

/*
 * The groups that packages on offer are in: the helper has written them down, a word a line, when it knew them last. Where
 * it hasn't, a catalogue's packages may have any of PackageKit's groups, but not those that aren't a property of a package.
 */
G_MODULE_EXPORT PkBitfield
pk_backend_get_groups (PkBackend *backend G_GNUC_UNUSED)
{
	const gchar *path = g_getenv ("PRESOLVE_GROUPS");
	g_autofree gchar *text = NULL;
	PkBitfield groups = 0;

	if (g_file_get_contents (path != NULL && *path != '\0' ? path : GROUPS_PATH, &text, NULL, NULL)) {
		g_auto(GStrv) words = g_strsplit (text, "\n", -1);

		for (gchar **word = words; *word != NULL; word++) {
			PkGroupEnum group = pk_group_enum_from_string (*word);

			if (group != PK_GROUP_ENUM_UNKNOWN)
				pk_bitfield_add (groups, group);
		}
	}
	if (groups != 0)
		return groups;
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
