// SPDX-License-Identifier: GPL-2.0-or-later

// Package e2e tests the two programs as their users have them: built, talked to over pipes and
// HTTP, on real RPM databases. testdata/*.txtar are transcripts of whole conversations, to be read
// as examples too; see TestTranscripts.
package e2e
