// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import rpmfile "github.com/sugarlabs/packagekit-backend-presolve/rpm"

// unsigned tells whether an RPM has no signature, so that a laptop whose rpm demands one knows
// before it downloads it. What can't be read isn't known to have none.
func unsigned(path string) bool {
	signed, err := rpmfile.HasSignature(path)
	return err == nil && !signed
}
