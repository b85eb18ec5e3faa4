// SPDX-License-Identifier: GPL-2.0-or-later

package wiretest

// words are what the fields of a generation's lines may be, by the kind of field.
//
// They are those of the first release of each generation that later ones of it understand
// (enum_info, enum_status, enum_error, enum_group, enum_restart, enum_update_state, enum_upgrade in
// pk-enum.c).
var words = map[string]map[string]string{
	"1.3": { // 1.3.3
		"info": `installed available unavailable low normal important security bugfix enhancement blocked downloading updating
			installing removing cleanup obsoleting collection-installed collection-available finished reinstalling
			downgrading preparing decompressing untrusted trusted critical install remove obsolete downgrade`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check test-commit commit request finished cancel download-repository download-packagelist
			download-filelist download-changelog download-group download-updateinfo repackaging loading-cache
			scan-applications generate-package-list waiting-for-lock waiting-for-auth scan-process-list
			check-executable-files check-libraries copy-files run-hook`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts package-conflicts repo-not-available
			invalid-package-file package-install-blocked package-corrupt all-packages-already-installed file-not-found
			no-more-mirrors-to-try no-distro-upgrade-data incompatible-architecture no-space-on-device
			media-change-required not-authorized update-not-found cannot-install-repo-unsigned cannot-update-repo-unsigned
			cannot-get-filelist cannot-get-requires cannot-disable-repository restricted-download
			package-failed-to-configure package-failed-to-build package-failed-to-install package-failed-to-remove
			failed-due-to-running-process package-database-changed provide-type-not-supported install-root-invalid
			cannot-fetch-sources cancelled-priority unfinished-transaction lock-required repo-already-set`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-dde desktop-other publishing servers fonts admin-tools legacy
			localization virtualization power-management security communication network maps repos science documentation
			electronics collections vendor newest`,
		"restart": `none system session application security-system security-session`,
		"state":   `unknown testing unstable stable`,
		"upgrade": `stable unstable`,
	},
	"1.2": { // 1.0.7
		"info": `installed available unavailable low normal important security bugfix enhancement blocked downloading updating
			installing removing cleanup obsoleting collection-installed collection-available finished reinstalling
			downgrading preparing decompressing untrusted trusted`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check test-commit commit request finished cancel download-repository download-packagelist
			download-filelist download-changelog download-group download-updateinfo repackaging loading-cache
			scan-applications generate-package-list waiting-for-lock waiting-for-auth scan-process-list
			check-executable-files check-libraries copy-files`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts package-conflicts repo-not-available
			invalid-package-file package-install-blocked package-corrupt all-packages-already-installed file-not-found
			no-more-mirrors-to-try no-distro-upgrade-data incompatible-architecture no-space-on-device
			media-change-required not-authorized update-not-found cannot-install-repo-unsigned cannot-update-repo-unsigned
			cannot-get-filelist cannot-get-requires cannot-disable-repository restricted-download
			package-failed-to-configure package-failed-to-build package-failed-to-install package-failed-to-remove
			failed-due-to-running-process package-database-changed provide-type-not-supported install-root-invalid
			cannot-fetch-sources cancelled-priority unfinished-transaction lock-required`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos science documentation electronics
			collections vendor newest`,
		"restart": `none system session application security-system security-session`,
		"state":   `unknown testing unstable stable`,
		"upgrade": `stable unstable`,
	},
	"0.9": { // 0.9.1
		"info": `installed available low normal important security bugfix enhancement blocked downloading updating installing
			removing cleanup obsoleting collection-installed collection-available finished reinstalling downgrading
			preparing decompressing untrusted trusted`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check test-commit commit request finished cancel download-repository download-packagelist
			download-filelist download-changelog download-group download-updateinfo repackaging loading-cache
			scan-applications generate-package-list waiting-for-lock waiting-for-auth scan-process-list
			check-executable-files check-libraries copy-files`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts package-conflicts repo-not-available
			invalid-package-file package-install-blocked package-corrupt all-packages-already-installed file-not-found
			no-more-mirrors-to-try no-distro-upgrade-data incompatible-architecture no-space-on-device
			media-change-required not-authorized update-not-found cannot-install-repo-unsigned cannot-update-repo-unsigned
			cannot-get-filelist cannot-get-requires cannot-disable-repository restricted-download
			package-failed-to-configure package-failed-to-build package-failed-to-install package-failed-to-remove
			failed-due-to-running-process package-database-changed provide-type-not-supported install-root-invalid
			cannot-fetch-sources cancelled-priority unfinished-transaction lock-required`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos science documentation electronics
			collections vendor newest`,
		"restart": `none system session application security-system security-session`,
		"state":   `unknown testing unstable stable`,
		"upgrade": `stable unstable`,
	},
	"0.8": { // 0.8.2
		"info": `installed available low normal important security bugfix enhancement blocked downloading updating installing
			removing cleanup obsoleting collection-installed collection-available finished reinstalling downgrading
			preparing decompressing untrusted trusted`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check test-commit commit request finished cancel download-repository download-packagelist
			download-filelist download-changelog download-group download-updateinfo repackaging loading-cache
			scan-applications generate-package-list waiting-for-lock waiting-for-auth scan-process-list
			check-executable-files check-libraries copy-files`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts package-conflicts repo-not-available
			invalid-package-file package-install-blocked package-corrupt all-packages-already-installed file-not-found
			no-more-mirrors-to-try no-distro-upgrade-data incompatible-architecture no-space-on-device
			media-change-required not-authorized update-not-found cannot-install-repo-unsigned cannot-update-repo-unsigned
			cannot-get-filelist cannot-get-requires cannot-disable-repository restricted-download
			package-failed-to-configure package-failed-to-build package-failed-to-install package-failed-to-remove
			failed-due-to-running-process package-database-changed provide-type-not-supported install-root-invalid
			cannot-fetch-sources cancelled-priority unfinished-transaction lock-required`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos science documentation electronics
			collections vendor newest`,
		"message": `broken-mirror connection-refused parameter-invalid priority-invalid backend-error daemon-error cache-being-rebuilt
			newer-package-exists could-not-find-package config-files-changed package-already-installed autoremove-ignored
			repo-metadata-download-failed repo-for-developers-only other-updates-held-back`,
		"restart": `none system session application security-system security-session`,
		"state":   `unknown testing unstable stable`,
		"upgrade": `stable unstable`,
	},
	"0.6": { // 0.5.2
		"info": `installed available low normal important security bugfix enhancement blocked downloading updating installing
			removing cleanup obsoleting collection-installed collection-available finished reinstalling downgrading`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check rollback test-commit commit request finished cancel download-repository download-packagelist
			download-filelist download-changelog download-group download-updateinfo repackaging loading-cache
			scan-applications generate-package-list waiting-for-lock waiting-for-auth scan-process-list
			check-executable-files check-libraries`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts package-conflicts repo-not-available
			invalid-package-file package-install-blocked package-corrupt all-packages-already-installed file-not-found
			no-more-mirrors-to-try no-distro-upgrade-data incompatible-architecture no-space-on-device
			media-change-required not-authorized update-not-found cannot-install-repo-unsigned cannot-update-repo-unsigned
			cannot-get-filelist cannot-get-requires cannot-disable-repository restricted-download
			package-failed-to-configure package-failed-to-build package-failed-to-install package-failed-to-remove`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos science documentation electronics
			collections vendor newest`,
		"message": `broken-mirror connection-refused parameter-invalid priority-invalid backend-error daemon-error cache-being-rebuilt
			newer-package-exists could-not-find-package config-files-changed package-already-installed autoremove-ignored
			repo-metadata-download-failed`,
		"restart": `none system session application security-system security-session`,
		"state":   `unknown testing unstable stable`,
		"upgrade": `stable unstable`,
	},
	"0.3": { // 0.3.2
		"info": `installed available low normal important security bugfix enhancement blocked downloading updating installing
			removing cleanup obsoleting`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check rollback test-commit commit request finished cancel download-repository download-package
			download-filelist download-changelog download-group download-updateinfo repackaging loading-cache`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts package-conflicts repo-not-available
			invalid-package-file package-install-blocked package-corrupt all-packages-already-installed file-not-found`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos science documentation electronics`,
		"message": `broken-mirror connection-refused parameter-invalid priority-invalid backend-error daemon-error cache-being-rebuilt
			newer-package-exists could-not-find-package config-files-changed package-already-installed`,
		"restart": `none system session application`,
		"state":   `unknown testing unstable stable`,
		"upgrade": `stable unstable`,
	},
	"0.2": { // 0.2.0
		"info": `installed available low normal important security bugfix enhancement blocked downloading updating installing
			removing cleanup obsoleting`,
		"status": `wait setup running query info refresh-cache remove download install update cleanup obsolete dep-resolve
			sig-check rollback test-commit commit request finished cancel download-repository download-package
			download-filelist download-changelog download-group download-updateinfo`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found group-list-invalid dep-resolution-failed create-thread-failed
			repo-not-found cannot-remove-system-package process-kill failed-initialization failed-finalise
			failed-config-parsing cannot-cancel cannot-get-lock no-packages-to-update cannot-write-repo-config
			local-install-failed bad-gpg-signature missing-gpg-signature cannot-install-source-package
			repo-configuration-error no-license-agreement file-conflicts repo-not-available invalid-package-file
			package-install-blocked`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos`,
		"message": `notice warning daemon`,
		"restart": `none system session application`,
	},
	"0.1": { // 0.1.7
		"info": `installed available low normal important security bugfix enhancement blocked downloading updating installing
			removing cleanup obsoleting`,
		"status": `wait setup query info refresh-cache remove download install update cleanup obsolete dep-resolve rollback
			commit request finished cancel`,
		"error": `out-of-memory no-cache no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error transaction-cancelled package-not-installed package-not-found package-already-installed
			package-download-failed group-not-found dep-resolution-failed create-thread-failed repo-not-found
			cannot-remove-system-package process-kill failed-initialization failed-finalise failed-config-parsing`,
		"group": `unknown accessibility accessories education games graphics internet office other programming multimedia system
			desktop-gnome desktop-kde desktop-xfce desktop-other publishing servers fonts admin-tools legacy localization
			virtualization power-management security communication network maps repos`,
		"message": `notice warning daemon`,
		"restart": `none system session application`,
	},
	"0.0": { // 50f55e02c, 30 September 2007
		"info":   `installed available low normal important security downloading updating installing removing`,
		"status": `wait setup query refresh-cache remove download install update`,
		"error": `out-of-memory no-network not-supported internal-error gpg-failure filter-invalid package-id-invalid
			transaction-error package-not-installed package-already-installed package-download-failed
			dep-resolution-failed create-thread-failed`,
		"group":   `unknown accessibility accessories education games graphics internet office other programming multimedia system`,
		"restart": `none system session application`,
	},
	"external": { // helpers/README, 22 August 2007
		"status": `download install update remove`,
	},
}
