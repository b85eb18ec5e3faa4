// Package install has the ops that bring packages: install-packages and download-packages.
//
// An install goes through these steps, each in a file of its own:
//
//	plan.go       ids become trees, what is installed is taken out, and whatever makes an install impossible ends it,
//	              before a byte of RPM is downloaded
//	install.go    the plan is downloaded, written to the journal step by step, handed to rpm, and recorded
//	progress.go   downloads and rpm's steps become percentages that only grow
//	download.go   download-packages
package install
