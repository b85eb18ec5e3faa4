// SPDX-License-Identifier: GPL-2.0-or-later

//go:build gcs

package bucket

// Google's Cloud Storage makes presolver larger by 34 MiB, as much as all the rest, so it is for who
// builds with -tags gcs.
import _ "gocloud.dev/blob/gcsblob"
