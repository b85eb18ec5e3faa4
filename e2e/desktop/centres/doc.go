// SPDX-License-Identifier: GPL-2.0-or-later

// Package centres drives software centres as a person does, through AT-SPI: they run under Xvfb, on a
// session bus of their own, with a real packagekitd on a private system bus, whose laptop is a root of
// the test's own. What they have done is asked of rpm. It has nothing but tests.
package centres
