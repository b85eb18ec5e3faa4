/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines to signals: each reply word of the helper protocol becomes one pk_backend_job_* call.
 *
 * A line is a word and its fields, separated by tabs (doc/protocol.md has them). The table below says for each word
 * how many fields it has and which function signals it. Nothing in here trusts the helper: a line that isn't UTF-8, has
 * a NUL, a word that isn't known, another number of fields or a field that can't be read is refused with a reason, and
 * the next line is read as if it hadn't been there.
 */
#include "replies.h"

#include <string.h>

/* So many packages are gathered into one signal at most. */
#define PACKAGES_AT_ONCE 512

/* f are the fields of one line, f[0] its word; they may be changed. */
typedef gboolean (*ReplyFunc) (Replies *replies, gchar **f, GError **error);

static gboolean reply_allow_cancel (Replies *replies, gchar **f, GError **error);
static gboolean reply_category (Replies *replies, gchar **f, GError **error);
static gboolean reply_details (Replies *replies, gchar **f, GError **error);
static gboolean reply_distro_upgrade (Replies *replies, gchar **f, GError **error);
static gboolean reply_download_size_remaining (Replies *replies, gchar **f, GError **error);
static gboolean reply_error (Replies *replies, gchar **f, GError **error);
static gboolean reply_eula_required (Replies *replies, gchar **f, GError **error);
static gboolean reply_files (Replies *replies, gchar **f, GError **error);
static gboolean reply_finished (Replies *replies, gchar **f, GError **error);
static gboolean reply_ignored (Replies *replies, gchar **f, GError **error);
static gboolean reply_item_progress (Replies *replies, gchar **f, GError **error);
static gboolean reply_media_change_required (Replies *replies, gchar **f, GError **error);
static gboolean reply_no_percentage_updates (Replies *replies, gchar **f, GError **error);
static gboolean reply_package (Replies *replies, gchar **f, GError **error);
static gboolean reply_percentage (Replies *replies, gchar **f, GError **error);
static gboolean reply_repo_detail (Replies *replies, gchar **f, GError **error);
static gboolean reply_repo_signature_required (Replies *replies, gchar **f, GError **error);
static gboolean reply_requirerestart (Replies *replies, gchar **f, GError **error);
static gboolean reply_speed (Replies *replies, gchar **f, GError **error);
static gboolean reply_status (Replies *replies, gchar **f, GError **error);
static gboolean reply_updatedetail (Replies *replies, gchar **f, GError **error);

/* The most frequent come first. */
static const struct {
	const gchar	*word;
	guint		 min, max;	/* number of fields after the word */
	ReplyFunc	 func;
} words[] = {
	{ "package",			3, 3,	reply_package },
	{ "item-progress",		3, 3,	reply_item_progress },
	{ "percentage",			1, 1,	reply_percentage },
	{ "speed",			1, 1,	reply_speed },
	{ "download-size-remaining",	1, 1,	reply_download_size_remaining },
	{ "finished",			0, 0,	reply_finished },
	{ "status",			1, 1,	reply_status },
	{ "allow-cancel",		1, 1,	reply_allow_cancel },
	{ "details",			7, 8,	reply_details },	/* 8: dialect 1.3 */
	{ "files",			2, 2,	reply_files },
	{ "error",			2, 2,	reply_error },
	{ "no-percentage-updates",	0, 0,	reply_no_percentage_updates },
	{ "updatedetail",		12, 12,	reply_updatedetail },
	{ "repo-detail",		3, 3,	reply_repo_detail },
	{ "category",			5, 5,	reply_category },
	{ "distro-upgrade",		3, 3,	reply_distro_upgrade },
	{ "requirerestart",		2, 2,	reply_requirerestart },
	{ "repo-signature-required",	8, 8,	reply_repo_signature_required },
	{ "eula-required",		4, 4,	reply_eula_required },
	{ "media-change-required",	3, 3,	reply_media_change_required },
	/* of older dialects; packagekitd has no signal for them any more */
	{ "message",			0, G_MAXUINT, reply_ignored },
	{ "subpercentage",		0, G_MAXUINT, reply_ignored },
};

void
replies_begin (Replies *replies, const Daemon *daemon, PkBackendJob *job)
{
	*replies = (Replies) { .daemon = daemon, .job = job, .allow_cancel = TRUE };
}

void
replies_end (Replies *replies)
{
	g_clear_pointer (&replies->packages, g_ptr_array_unref);
	*replies = (Replies) { .allow_cancel = TRUE };
}

static gboolean
refuse (GError **error, const gchar *reason, const gchar *text)
{
	g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s '%s'", reason, text);
	return FALSE;
}

/* After an error packagekitd takes no other signal of the job, and warns of each. */
static gboolean
is_wanted (const Replies *replies, ReplyFunc func)
{
	return replies->error == PK_ERROR_ENUM_UNKNOWN || func == reply_finished || func == reply_allow_cancel;
}

/* One line as fields, or NULL. Control characters, which a terminal would act upon, become spaces. */
static gchar **
split (const gchar *line, gsize length, GError **error)
{
	g_autofree gchar *text = NULL;

	if (!g_utf8_validate (line, length, NULL)) {
		refuse (error, "not UTF-8, or has a NUL", "");
		return NULL;
	}
	text = g_strndup (line, length);
	for (gchar *c = text; *c != '\0'; c++) {
		if (g_ascii_iscntrl (*c) && *c != '\t')
			*c = ' ';
	}
	return g_strsplit (text, "\t", -1);
}

gboolean
replies_line (Replies *replies, const gchar *line, gsize length, GError **error)
{
	g_auto(GStrv) fields = split (line, length, error);
	guint n;

	if (fields == NULL)
		return FALSE;
	n = g_strv_length (fields);
	if (n == 0)
		return refuse (error, "an empty line", "");
	for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
		if (strcmp (fields[0], words[i].word) != 0)
			continue;
		if (n - 1 < words[i].min || n - 1 > words[i].max)
			return refuse (error, "wrong number of fields in", fields[0]);
		replies->n_lines++;
		if (!is_wanted (replies, words[i].func))
			return TRUE;
		if (words[i].func != reply_package)
			replies_flush (replies);
		return words[i].func (replies, fields, error);
	}
	return refuse (error, "unknown word", fields[0]);
}

void
replies_flush (Replies *replies)
{
	g_autoptr(GPtrArray) packages = g_steal_pointer (&replies->packages);

	if (packages != NULL)
		replies->daemon->packages (replies->job, packages);
}

/* Every enumeration of PackageKit has its "unknown" as 0. */
static gboolean
is_known (guint value, const gchar *text, GError **error)
{
	return value != 0 || refuse (error, "unknown value", text);
}

static gboolean
is_package_id (const gchar *text, GError **error)
{
	return pk_package_id_check (text) || refuse (error, "not a package id", text);
}

static gboolean
is_filled (const gchar *text, GError **error)
{
	return *text != '\0' || refuse (error, "empty field", text);
}

static gboolean
read_number (const gchar *text, guint64 max, guint64 *number, GError **error)
{
	return g_ascii_string_to_unsigned (text, 10, 0, max, number, error);
}

static gboolean
read_boolean (const gchar *text, gboolean *value, GError **error)
{
	*value = strcmp (text, "true") == 0;
	return *value || strcmp (text, "false") == 0 || refuse (error, "neither true nor false", text);
}

/* Free text is written with ';' for newlines. */
static const gchar *
with_newlines (gchar *text)
{
	return g_strdelimit (text, ";", '\n');
}

/* A group that isn't known is no reason to leave a package out. */
static PkGroupEnum
read_group (const gchar *text)
{
	PkGroupEnum group = pk_group_enum_from_string (text);

	if (group == PK_GROUP_ENUM_UNKNOWN && strcmp (text, "unknown") != 0)
		g_warning ("the helper named an unknown group '%s'", text);
	return group;
}

/* How urgent an update of a kind is. libpackagekit-glib2 takes these words and no others, and aborts where it's told so. */
static PkInfoEnum
severity_of (PkInfoEnum info)
{
	switch (info) {
	case PK_INFO_ENUM_CRITICAL:
		return PK_INFO_ENUM_CRITICAL;
	case PK_INFO_ENUM_IMPORTANT:
	case PK_INFO_ENUM_SECURITY:
		return PK_INFO_ENUM_IMPORTANT;
	case PK_INFO_ENUM_NORMAL:
	case PK_INFO_ENUM_BUGFIX:
		return PK_INFO_ENUM_NORMAL;
	case PK_INFO_ENUM_LOW:
	case PK_INFO_ENUM_ENHANCEMENT:
		return PK_INFO_ENUM_LOW;
	default:
		return PK_INFO_ENUM_UNKNOWN;
	}
}

static gboolean
reply_package (Replies *replies, gchar **f, GError **error)
{
	PkInfoEnum info = pk_info_enum_from_string (f[1]);
	PkRoleEnum role = pk_backend_job_get_role (replies->job);
	g_autoptr(PkPackage) package = NULL;

	if (!is_known (info, f[1], error) || !is_package_id (f[2], error))
		return FALSE;
	/* "installed" is no news in these roles, to packagekitd, which drops it: what is done is "finished". */
	if (info == PK_INFO_ENUM_INSTALLED &&
	    (role == PK_ROLE_ENUM_INSTALL_PACKAGES || role == PK_ROLE_ENUM_INSTALL_FILES || role == PK_ROLE_ENUM_UPDATE_PACKAGES))
		info = PK_INFO_ENUM_FINISHED;
	if (replies->daemon->packages == NULL) {
		pk_backend_job_package (replies->job, info, f[2], f[3]);
		return TRUE;
	}
	package = pk_package_new ();
	if (!pk_package_set_id (package, f[2], error))
		return FALSE;
	pk_package_set_info (package, info);
	if (replies->daemon->set_update_severity != NULL && role == PK_ROLE_ENUM_GET_UPDATES)
		replies->daemon->set_update_severity (package, severity_of (info));
	pk_package_set_summary (package, f[3]);
	if (replies->packages == NULL)
		replies->packages = g_ptr_array_new_with_free_func (g_object_unref);
	g_ptr_array_add (replies->packages, g_steal_pointer (&package));
	if (replies->packages->len >= PACKAGES_AT_ONCE)
		replies_flush (replies);
	return TRUE;
}

static gboolean
reply_details (Replies *replies, gchar **f, GError **error)
{
	guint64 size, download_size = G_MAXUINT64;	/* the latter: not known */

	if (!is_package_id (f[1], error) || !read_number (f[7], G_MAXUINT64, &size, error))
		return FALSE;
	if (f[8] != NULL && !read_number (f[8], G_MAXUINT64, &download_size, error))
		return FALSE;
	replies->daemon->details (replies->job, f[1], f[2], f[3], read_group (f[4]), with_newlines (f[5]), f[6],
				  MIN (size, G_MAXULONG), download_size);
	return TRUE;
}

static gboolean
reply_files (Replies *replies, gchar **f, GError **error)
{
	g_auto(GStrv) files = g_strsplit (f[2], ";", -1);

	if (!is_package_id (f[1], error))
		return FALSE;
	pk_backend_job_files (replies->job, f[1], files);
	return TRUE;
}

static gboolean
reply_updatedetail (Replies *replies, gchar **f, GError **error)
{
	g_auto(GStrv) updates = g_strsplit (f[2], "&", -1);
	g_auto(GStrv) obsoletes = g_strsplit (f[3], "&", -1);
	g_auto(GStrv) vendor_urls = g_strsplit (f[4], ";", -1);
	g_auto(GStrv) bugzilla_urls = g_strsplit (f[5], ";", -1);
	g_auto(GStrv) cve_urls = g_strsplit (f[6], ";", -1);
	PkRestartEnum restart = pk_restart_enum_from_string (f[7]);

	if (!is_package_id (f[1], error) || !is_known (restart, f[7], error))
		return FALSE;
	pk_backend_job_update_detail (replies->job, f[1], updates, obsoletes, vendor_urls, bugzilla_urls, cve_urls,
				      restart, with_newlines (f[8]), with_newlines (f[9]),
				      pk_update_state_enum_from_string (f[10]), f[11], f[12]);
	return TRUE;
}

static gboolean
reply_repo_detail (Replies *replies, gchar **f, GError **error)
{
	gboolean enabled;

	if (!is_filled (f[1], error) || !read_boolean (f[3], &enabled, error))
		return FALSE;
	pk_backend_job_repo_detail (replies->job, f[1], f[2], enabled);
	return TRUE;
}

static gboolean
reply_category (Replies *replies, gchar **f, GError **error)
{
	if (!is_filled (f[2], error) || !is_filled (f[3], error) || !is_filled (f[5], error))
		return FALSE;
	if (strcmp (f[1], f[2]) == 0)
		return refuse (error, "a category can't be its own parent:", f[2]);
	pk_backend_job_category (replies->job, f[1], f[2], f[3], f[4], f[5]);
	return TRUE;
}

static gboolean
reply_distro_upgrade (Replies *replies, gchar **f, GError **error)
{
	PkDistroUpgradeEnum state = pk_distro_upgrade_enum_from_string (f[1]);

	if (!is_known (state, f[1], error) || !is_filled (f[2], error))
		return FALSE;
	pk_backend_job_distro_upgrade (replies->job, state, f[2], f[3]);
	return TRUE;
}

static gboolean
reply_repo_signature_required (Replies *replies, gchar **f, GError **error)
{
	PkSigTypeEnum type = pk_sig_type_enum_from_string (f[8]);

	if (!is_known (type, f[8], error) || !is_filled (f[1], error) || !is_filled (f[2], error))
		return FALSE;
	pk_backend_job_repo_signature_required (replies->job, f[1], f[2], f[3], f[4], f[5], f[6], f[7], type);
	return TRUE;
}

static gboolean
reply_eula_required (Replies *replies, gchar **f, GError **error)
{
	if (!is_filled (f[1], error) || !is_package_id (f[2], error) || !is_filled (f[4], error))
		return FALSE;
	pk_backend_job_eula_required (replies->job, f[1], f[2], f[3], with_newlines (f[4]));
	return TRUE;
}

static gboolean
reply_media_change_required (Replies *replies, gchar **f, GError **error)
{
	PkMediaTypeEnum type = pk_media_type_enum_from_string (f[1]);

	if (!is_known (type, f[1], error))
		return FALSE;
	pk_backend_job_media_change_required (replies->job, type, f[2], f[3]);
	return TRUE;
}

static gboolean
reply_requirerestart (Replies *replies, gchar **f, GError **error)
{
	PkRestartEnum restart = pk_restart_enum_from_string (f[1]);

	if (!is_known (restart, f[1], error) || !is_package_id (f[2], error))
		return FALSE;
	pk_backend_job_require_restart (replies->job, restart, f[2]);
	return TRUE;
}

/* A code that isn't known must not turn a failure into a success. */
static gboolean
reply_error (Replies *replies, gchar **f, GError **error)
{
	PkErrorEnum code = pk_error_enum_from_string (f[1]);

	(void) error;
	if (code == PK_ERROR_ENUM_UNKNOWN) {
		g_warning ("the helper named an unknown error '%s'", f[1]);
		code = PK_ERROR_ENUM_INTERNAL_ERROR;
	}
	replies->error = code;
	pk_backend_job_error_code (replies->job, code, "%s", with_newlines (f[2]));
	return TRUE;
}

static gboolean
reply_status (Replies *replies, gchar **f, GError **error)
{
	PkStatusEnum status = pk_status_enum_from_string (f[1]);

	if (!is_known (status, f[1], error))
		return FALSE;
	pk_backend_job_set_status (replies->job, status);
	return TRUE;
}

static gboolean
reply_percentage (Replies *replies, gchar **f, GError **error)
{
	guint64 percentage;

	if (!read_number (f[1], 100, &percentage, error))
		return FALSE;
	pk_backend_job_set_percentage (replies->job, percentage);
	return TRUE;
}

static gboolean
reply_no_percentage_updates (Replies *replies, gchar **f, GError **error)
{
	(void) f;
	(void) error;
	pk_backend_job_set_percentage (replies->job, PK_BACKEND_PERCENTAGE_INVALID);
	return TRUE;
}

static gboolean
reply_item_progress (Replies *replies, gchar **f, GError **error)
{
	PkStatusEnum status = pk_status_enum_from_string (f[2]);
	guint64 percentage;

	if (!is_package_id (f[1], error) || !is_known (status, f[2], error) ||
	    !read_number (f[3], 100, &percentage, error))
		return FALSE;
	pk_backend_job_set_item_progress (replies->job, f[1], status, percentage);
	return TRUE;
}

static gboolean
reply_speed (Replies *replies, gchar **f, GError **error)
{
	guint64 speed;

	if (!read_number (f[1], G_MAXUINT64, &speed, error))
		return FALSE;
	pk_backend_job_set_speed (replies->job, MIN (speed, G_MAXUINT));
	return TRUE;
}

static gboolean
reply_download_size_remaining (Replies *replies, gchar **f, GError **error)
{
	guint64 bytes;

	if (!read_number (f[1], G_MAXUINT64, &bytes, error))
		return FALSE;
	pk_backend_job_set_download_size_remaining (replies->job, bytes);
	return TRUE;
}

static gboolean
reply_allow_cancel (Replies *replies, gchar **f, GError **error)
{
	gboolean allow_cancel;

	if (!read_boolean (f[1], &allow_cancel, error))
		return FALSE;
	replies->allow_cancel = allow_cancel;
	pk_backend_job_set_allow_cancel (replies->job, allow_cancel);
	return TRUE;
}

static gboolean
reply_finished (Replies *replies, gchar **f, GError **error)
{
	(void) f;
	(void) error;
	replies->finished = TRUE;
	return TRUE;
}

static gboolean
reply_ignored (Replies *replies, gchar **f, GError **error)
{
	(void) replies;
	(void) f;
	(void) error;
	return TRUE;
}
