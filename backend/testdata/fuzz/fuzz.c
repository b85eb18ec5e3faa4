/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what the stub does with a helper's lines (replies.c), under AddressSanitizer and UndefinedBehaviorSanitizer:
 *
 *   fuzz SECONDS|COUNTx SEED…     each SEED a file of lines
 *
 * changes the seeds at random, the same way in each run, for so many seconds or so often. The functions of packagekitd
 * that replies.c calls are here, and read every byte that they are given. With clang's libFuzzer, which also sees what the
 * code does: clang -fsanitize=fuzzer,address,undefined -DLIBFUZZER fuzz.c ../../stub/replies.c …
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../stub/replies.h"

/* What was read, so that no compiler leaves the reading out. */
static volatile gsize total;

static void
use (const gchar *text)
{
	total += text != NULL ? strlen (text) : 0;
	if (text != NULL && !g_utf8_validate (text, -1, NULL))
		abort ();
}

static void
use_all (gchar **list)
{
	for (; *list != NULL; list++)
		use (*list);
}

static void
details (PkBackendJob *job, const gchar *id, const gchar *summary, const gchar *license, PkGroupEnum group,
	 const gchar *description, const gchar *url, gulong size, guint64 download_size)
{
	(void) job;
	total += group + size + download_size;
	use (id), use (summary), use (license), use (description), use (url);
}

static void
packages (PkBackendJob *job, GPtrArray *all)
{
	(void) job;
	for (guint i = 0; i < all->len; i++)
		use (pk_package_get_id (all->pdata[i])), use (pk_package_get_summary (all->pdata[i]));
}

/* Each with the parameters that it doesn't use left out of the warnings. */
#define JOB PkBackendJob *job G_GNUC_UNUSED

void pk_backend_job_finished (JOB) { abort (); } /* is not replies.c's to call */

void
pk_backend_job_error_code (JOB, PkErrorEnum code, const gchar *format, ...)
{
	va_list args;
	g_autofree gchar *text = NULL;

	va_start (args, format);
	text = g_strdup_vprintf (format, args);
	va_end (args);
	if (code == PK_ERROR_ENUM_UNKNOWN)
		abort ();
	use (text);
}

PkRoleEnum pk_backend_job_get_role (JOB) { return total % 2 ? PK_ROLE_ENUM_INSTALL_PACKAGES : PK_ROLE_ENUM_RESOLVE; }
void pk_backend_job_package (JOB, PkInfoEnum info, const gchar *id, const gchar *summary) { total += info; use (id); use (summary); }
void pk_backend_job_files (JOB, const gchar *id, gchar **files) { use (id); use_all (files); }

void
pk_backend_job_update_detail (JOB, const gchar *id, gchar **updates, gchar **obsoletes, gchar **vendor, gchar **bugs,
			      gchar **cves, PkRestartEnum restart, const gchar *text, const gchar *changelog,
			      PkUpdateStateEnum state, const gchar *issued, const gchar *updated)
{
	total += restart + state;
	use (id), use (text), use (changelog), use (issued), use (updated);
	use_all (updates), use_all (obsoletes), use_all (vendor), use_all (bugs), use_all (cves);
}

void pk_backend_job_repo_detail (JOB, const gchar *id, const gchar *text, gboolean on) { total += on; use (id); use (text); }

void
pk_backend_job_category (JOB, const gchar *parent, const gchar *id, const gchar *name, const gchar *summary, const gchar *icon)
{
	use (parent), use (id), use (name), use (summary), use (icon);
}

void pk_backend_job_distro_upgrade (JOB, PkDistroUpgradeEnum state, const gchar *name, const gchar *text) { total += state; use (name); use (text); }

void
pk_backend_job_repo_signature_required (JOB, const gchar *id, const gchar *repository, const gchar *url, const gchar *user,
					const gchar *key, const gchar *print, const gchar *stamp, PkSigTypeEnum type)
{
	total += type;
	use (id), use (repository), use (url), use (user), use (key), use (print), use (stamp);
}

void
pk_backend_job_eula_required (JOB, const gchar *eula, const gchar *id, const gchar *vendor, const gchar *text)
{
	use (eula), use (id), use (vendor), use (text);
}

void pk_backend_job_media_change_required (JOB, PkMediaTypeEnum type, const gchar *id, const gchar *text) { total += type; use (id); use (text); }
void pk_backend_job_require_restart (JOB, PkRestartEnum restart, const gchar *id) { total += restart; use (id); }
void pk_backend_job_set_status (JOB, PkStatusEnum status) { total += status; }
void pk_backend_job_set_percentage (JOB, guint percentage) { if (percentage > PK_BACKEND_PERCENTAGE_INVALID) abort (); }
void pk_backend_job_set_item_progress (JOB, const gchar *id, PkStatusEnum status, guint percentage) { if (percentage > 100) abort (); total += status; use (id); }
void pk_backend_job_set_speed (JOB, guint speed) { total += speed; }
void pk_backend_job_set_download_size_remaining (JOB, guint64 bytes) { total += bytes; }
void pk_backend_job_set_allow_cancel (JOB, gboolean allow) { total += allow; }

/* The lines of one command, read as helper.c reads them. */
int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
	static const Daemon daemons[] = { { .details = details }, { .details = details, .packages = packages } };
	const gchar *text = (const gchar *) data, *end = text + size;
	Replies replies;

	replies_begin (&replies, &daemons[size % 2], (PkBackendJob *) &replies);
	while (text < end && !replies.finished) {
		const gchar *newline = memchr (text, '\n', end - text);
		gsize length = newline != NULL ? (gsize) (newline - text) : (gsize) (end - text);
		g_autofree gchar *line = g_memdup2 (text, length);	/* of its own, so that reading on is seen */
		g_autoptr(GError) error = NULL;

		if (replies_line (&replies, line != NULL ? line : "", length, &error) != (error == NULL))
			abort ();
		if (error != NULL)
			use (error->message);
		text += length + 1;
	}
	replies_flush (&replies);
	replies_end (&replies);
	return 0;
}

#ifndef LIBFUZZER

static guint64 state = 88172645463325252;	/* xorshift64 */

static guint
below (guint n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n > 0 ? state % n : 0;
}

/* One change of the bytes; others is another seed. */
static void
change (GByteArray *bytes, const GBytes *others)
{
	static const gchar *pieces[] = {
		"\t", "\n", "\t\t\t", ";", "&", "\xff", "\xc3", "\xe2\x80\xae", "\x00", "-1", "18446744073709551616", "101",
		"true", "false", "finished\n", "error\t", "package\tinstalled\t", "allow-cancel\tfalse\n", "%s%n", ";;;", "\r", "\x1b[2J",
	};
	guint at = below (bytes->len + 1), n = below (16), which = below (6);
	gsize size;
	const guint8 *other = g_bytes_get_data ((GBytes *) others, &size);

	if (which == 0 && bytes->len > 0) {
		bytes->data[below (bytes->len)] ^= 1 << below (8);
	} else if (which == 1 && at + n <= bytes->len) {
		g_byte_array_remove_range (bytes, at, n);
	} else if (which == 2 && size > 0) {
		guint from = below (size);

		g_byte_array_append (bytes, other + from, below (size - from) + 1);
	} else if (which == 3 && bytes->len < 65536) {
		g_autofree guint8 *again = g_memdup2 (bytes->data, bytes->len);

		g_byte_array_append (bytes, again, bytes->len);
	} else {
		const gchar *piece = pieces[below (G_N_ELEMENTS (pieces))];
		gsize length = MAX (strlen (piece), 1);
		g_autofree guint8 *rest = g_memdup2 (bytes->data + at, bytes->len - at);
		guint left = bytes->len - at;

		g_byte_array_set_size (bytes, at);
		g_byte_array_append (bytes, (const guint8 *) piece, length);
		g_byte_array_append (bytes, rest != NULL ? rest : (const guint8 *) "", left);
	}
}

/* Warnings of replies.c are expected, and many. */
static GLogWriterOutput
no_log (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
	(void) level, (void) fields, (void) n, (void) data;
	return G_LOG_WRITER_HANDLED;
}

int
main (int argc, char **argv)
{
	g_autoptr(GPtrArray) seeds = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
	gchar *unit = NULL;
	guint64 limit = argc > 1 ? g_ascii_strtoull (argv[1], &unit, 10) : 0, n = 0;
	gboolean counted = unit != NULL && *unit == 'x';
	time_t end = time (NULL) + limit;

	g_log_set_writer_func (no_log, NULL, NULL);
	for (int i = 2; i < argc; i++) {
		gchar *text;
		gsize length;

		if (!g_file_get_contents (argv[i], &text, &length, NULL))
			return 2;
		g_ptr_array_add (seeds, g_bytes_new_take (text, length));
	}
	if (limit == 0 || seeds->len == 0) {
		fprintf (stderr, "fuzz SECONDS|COUNTx SEED...\n");
		return 2;
	}
	for (; counted ? n < limit : time (NULL) < end; n++) {
		GByteArray *bytes = g_byte_array_new ();
		gsize length;
		const guint8 *data = g_bytes_get_data (seeds->pdata[below (seeds->len)], &length);

		g_byte_array_append (bytes, data, length);
		for (guint i = n < seeds->len ? 0 : below (8) + 1; i > 0; i--)
			change (bytes, seeds->pdata[below (seeds->len)]);
		LLVMFuzzerTestOneInput (bytes->data, bytes->len);
		g_byte_array_unref (bytes);
	}
	printf ("%" G_GUINT64_FORMAT " inputs\n", n);
	return 0;
}
#endif
