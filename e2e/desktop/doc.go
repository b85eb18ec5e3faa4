// SPDX-License-Identifier: GPL-2.0-or-later

// Package desktop runs the programs that people see, as Debian has them, on a screen and buses of their
// own, with a real packagekitd and helper below them. Its tests are long: PRESOLVE_LONG=1. They need Debian's
// xvfb, imagemagick and xdotool, and for each test the program that it is about: gnome-software, gnome-packagekit,
// plasma-discover (with gir1.2-atspi-2.0), gstreamer1.0-packagekit, packagekit-command-not-found, sugar-session; else they
// say "NOT TESTED". With PRESOLVE_SCREENSHOTS=FOLDER they
// leave pictures there, for a person to look at.
package desktop
