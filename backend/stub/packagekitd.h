/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of packagekitd that a backend may call.
 *
 * Distributions ship no headers for it: the functions are exported by the packagekitd binary itself (nm -D), and a
 * backend finds them when it is loaded. All that is declared here is there, with the same types, in 1.2.0 to 1.3.6,
 * so that one binary serves them all. The two that are not in all of them are looked up at run time, see Daemon.
 *
 * What else was read from the sources of these releases, and is relied upon:
 *  - Every entry of a backend (roles, cancel, initialize, destroy) is called in the main thread, whose main loop runs
 *    the default GMainContext. pk_backend_job_* may be called from anywhere: each attaches an idle source to that
 *    context, at G_PRIORITY_DEFAULT_IDLE, and at G_PRIORITY_LOW for "finished", so that it comes last.
 *  - The structs behind the objects are private in 1.3, and were public before: here they have no fields at all.
 *  - A role that get_roles doesn't name is answered with not-supported before the backend hears of it, whether or not
 *    it has an entry. pk_backend_cancel works only where get_roles names the role "cancel".
 *  - start_job and stop_job are optional. An error that start_job sets doesn't keep the role's entry from being called.
 *  - Before it calls cancel, packagekitd itself sets the job's allow-cancel to false and its exit code to cancelled. It
 *    calls cancel even where the backend disallowed it.
 *  - SIGINT and being idle end packagekitd through destroy; SIGTERM doesn't.
 */
#pragma once

#include <gio/gio.h>
#define I_KNOW_THE_PACKAGEKIT_GLIB2_API_IS_SUBJECT_TO_CHANGE
#include <packagekit-glib2/packagekit.h>

typedef struct _PkBackend PkBackend;
typedef struct _PkBackendJob PkBackendJob;

/* "percentage isn't known", for pk_backend_job_set_percentage */
#define PK_BACKEND_PERCENTAGE_INVALID 101

/* the backend */
gpointer pk_backend_get_user_data (PkBackend *backend);
void pk_backend_set_user_data (PkBackend *backend, gpointer user_data);
gboolean pk_backend_is_online (PkBackend *backend);
gchar *pk_backend_get_accepted_eula_string (PkBackend *backend);
gchar *pk_backend_convert_uri (const gchar *proxy);
gchar *pk_backend_convert_uri_socks (const gchar *proxy);

/* what a job is asked to do, and for whom */
gboolean pk_backend_job_get_background (PkBackendJob *job);
gboolean pk_backend_job_get_interactive (PkBackendJob *job);
guint pk_backend_job_get_cache_age (PkBackendJob *job);
guint pk_backend_job_get_uid (PkBackendJob *job);
const gchar *pk_backend_job_get_cmdline (PkBackendJob *job);
const gchar *pk_backend_job_get_frontend_socket (PkBackendJob *job);
const gchar *pk_backend_job_get_locale (PkBackendJob *job);
const gchar *pk_backend_job_get_no_proxy (PkBackendJob *job);
const gchar *pk_backend_job_get_pac (PkBackendJob *job);
const gchar *pk_backend_job_get_proxy_ftp (PkBackendJob *job);
const gchar *pk_backend_job_get_proxy_http (PkBackendJob *job);
const gchar *pk_backend_job_get_proxy_https (PkBackendJob *job);
const gchar *pk_backend_job_get_proxy_socks (PkBackendJob *job);

/* what a job answers */
void pk_backend_job_finished (PkBackendJob *job);
void pk_backend_job_error_code (PkBackendJob *job, PkErrorEnum code, const gchar *format, ...) G_GNUC_PRINTF (3, 4);
PkRoleEnum pk_backend_job_get_role (PkBackendJob *job);
void pk_backend_job_package (PkBackendJob *job, PkInfoEnum info, const gchar *package_id, const gchar *summary);
void pk_backend_job_files (PkBackendJob *job, const gchar *package_id, gchar **files);
void pk_backend_job_update_detail (PkBackendJob *job, const gchar *package_id, gchar **updates, gchar **obsoletes,
				   gchar **vendor_urls, gchar **bugzilla_urls, gchar **cve_urls, PkRestartEnum restart,
				   const gchar *update_text, const gchar *changelog, PkUpdateStateEnum state,
				   const gchar *issued, const gchar *updated);
void pk_backend_job_repo_detail (PkBackendJob *job, const gchar *repo_id, const gchar *description, gboolean enabled);
void pk_backend_job_category (PkBackendJob *job, const gchar *parent_id, const gchar *id, const gchar *name,
			      const gchar *summary, const gchar *icon);
void pk_backend_job_distro_upgrade (PkBackendJob *job, PkDistroUpgradeEnum state, const gchar *name,
				    const gchar *summary);
void pk_backend_job_repo_signature_required (PkBackendJob *job, const gchar *package_id, const gchar *repository,
					     const gchar *key_url, const gchar *key_userid, const gchar *key_id,
					     const gchar *key_fingerprint, const gchar *key_timestamp,
					     PkSigTypeEnum type);
void pk_backend_job_eula_required (PkBackendJob *job, const gchar *eula_id, const gchar *package_id,
				   const gchar *vendor, const gchar *text);
void pk_backend_job_media_change_required (PkBackendJob *job, PkMediaTypeEnum type, const gchar *id,
					   const gchar *text);
void pk_backend_job_require_restart (PkBackendJob *job, PkRestartEnum restart, const gchar *package_id);
void pk_backend_job_set_status (PkBackendJob *job, PkStatusEnum status);
void pk_backend_job_set_percentage (PkBackendJob *job, guint percentage);
void pk_backend_job_set_item_progress (PkBackendJob *job, const gchar *package_id, PkStatusEnum status,
				       guint percentage);
void pk_backend_job_set_speed (PkBackendJob *job, guint speed);
void pk_backend_job_set_download_size_remaining (PkBackendJob *job, guint64 bytes);
void pk_backend_job_set_allow_cancel (PkBackendJob *job, gboolean allow_cancel);

/*
 * Details, in its longest form. How it is called depends on the release:
 *   1.2.0 to 1.2.3   pk_backend_job_details, and no download size
 *   1.2.4 to 1.3.2   pk_backend_job_details_full
 *   1.3.3 and later  pk_backend_job_details
 * Where only pk_backend_job_details is there it is given the download size: the oldest releases don't look at an
 * argument beyond theirs, and by the calling conventions of C on Linux it does no harm.
 */
typedef void (*PkBackendJobDetails) (PkBackendJob *job, const gchar *package_id, const gchar *summary,
				     const gchar *license, PkGroupEnum group, const gchar *description,
				     const gchar *url, gulong size, guint64 download_size);

/* Many packages in one signal: 1.2.6 and later. Takes a reference to packages, whose elements are PkPackage. */
typedef void (*PkBackendJobPackages) (PkBackendJob *job, GPtrArray *packages);

/*
 * How urgent an update is, beside the info: 1.2.6 and later, where pk_backend_job_package_full takes it, and packages
 * that are told together have it.
 */
typedef void (*PkPackageSetUpdateSeverity) (PkPackage *package, PkInfoEnum severity);

/* A client's hint: sizes of downloads with those of dependencies. 1.2.7 and later. */
typedef gboolean (*PkBackendJobGetDetailsWithDepsSize) (PkBackendJob *job);

/* What this packagekitd has of the functions that not every release has. */
typedef struct {
	PkBackendJobDetails	 details;	/* never NULL */
	PkBackendJobPackages	 packages;	/* NULL before 1.2.6 */
	PkPackageSetUpdateSeverity set_update_severity;	/* NULL before 1.2.6 */
	PkBackendJobGetDetailsWithDepsSize with_deps_size;	/* NULL before 1.2.7 */
} Daemon;
