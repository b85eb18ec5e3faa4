# SPDX-License-Identifier: GPL-2.0-or-later
"""Software update for Sugar's control panel, by PackageKit.

Sugar imports the backend that a GSettings key names from jarabe.model.update:

    gsettings set org.sugarlabs.update backend packagekit.PackageKitUpdater

It lists PackageKit's updates, and the activities that are on offer as packages (sugar-...). Sugar's
Updater would download a bundle (.xo) for each and unzip it into the home folder. There is no other way
in, so this takes over the method of Updater that begins with the next bundle, and has PackageKit do
all that was chosen: updates in one transaction, since what belongs together goes together.

install_missing is for code that launches activities: see the example sugar-launch-packaged.

It needs what Sugar has, python3-gi: PackageKit is spoken to by Gio, and nothing blocks.
"""

import logging

from gi.repository import Gio
from gi.repository import GLib

from jarabe.model.update import BundleUpdate
from jarabe.model.update import updater

_logger = logging.getLogger('PackageKit')

_NAME = 'org.freedesktop.PackageKit'
_TRANSACTION = _NAME + '.Transaction'
# PackageKit's numbers (pk-enum.h).
_NONE, _NOT_INSTALLED, _NEWEST = 1 << 1, 1 << 3, 1 << 16  # filters
_ONLY_TRUSTED = 1 << 1
_BLOCKED = 9  # an update that can't be had
_SUCCESS = 1


class PackageKitError(Exception):
    """What PackageKit's daemon says of a transaction that failed."""


class Transaction(object):
    """One transaction of PackageKit. package is called with (info, id, summary) of each package,
    progress with a percentage, done with an Exception or None; cancelled is an Exception too."""

    def __init__(self, done, package=None, progress=None, details=None):
        self._done, self._package, self._progress, self._details = done, package, progress, details
        self._bus = self._path = None
        self._watches = []
        self._error = None
        self._cancelled = False

    def run(self, method, *arguments):
        """arguments are a GLib.Variant each."""
        def created(bus, result):
            try:
                self._path, = bus.call_finish(result).unpack()
            except GLib.Error as error:
                self._finish(error)
                return
            self._watch(_TRANSACTION, self._signal_cb)
            self._watches.append(bus.signal_subscribe(
                'org.freedesktop.DBus', 'org.freedesktop.DBus', 'NameOwnerChanged', None, _NAME, 0, self._owner_cb))
            self._watch('org.freedesktop.DBus.Properties', self._properties_cb)
            hints = ['locale=%s' % GLib.get_language_names()[0], 'interactive=true', 'background=false']
            self._call('SetHints', GLib.Variant('(as)', (hints, )))
            self._call(method, GLib.Variant.new_tuple(*arguments))
            if self._cancelled:
                self._call('Cancel', None)
        try:
            self._bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        except GLib.Error as error:
            self._finish(error)
            return
        self._bus.call(_NAME, '/org/freedesktop/PackageKit', _NAME, 'CreateTransaction', None,
                       GLib.VariantType('(o)'), 0, -1, None, created)

    def cancel(self):
        self._cancelled = True
        if self._path:
            self._call('Cancel', None)

    def _watch(self, interface, callback):
        self._watches.append(self._bus.signal_subscribe(_NAME, interface, None, self._path, None, 0, callback))

    def _call(self, method, arguments):
        def answered(bus, result):
            try:
                bus.call_finish(result)
            except GLib.Error as error:
                if method != 'Cancel':  # it may have ended meanwhile
                    self._finish(error)
        self._bus.call(_NAME, self._path, _TRANSACTION, method, arguments, None, 0, -1, None, answered)

    def _signal_cb(self, bus, sender, path, interface, signal, parameters):
        values = parameters.unpack()
        if signal == 'Package' and self._package:
            self._package(*values)
        elif signal == 'Packages' and self._package:
            for each in values[0]:
                self._package(*each)
        elif signal == 'Details' and self._details:
            self._details(values[0])
        elif signal == 'ErrorCode':
            self._error = PackageKitError(values[1])
        elif signal == 'Finished':
            error = None
            if values[0] != _SUCCESS:
                error = self._error or PackageKitError('PackageKit ended with %d' % values[0])
            self._finish(error)

    def _owner_cb(self, bus, sender, path, interface, signal, parameters):
        if not parameters.unpack()[2]:
            self._finish(PackageKitError('packagekitd has ended'))

    def _properties_cb(self, bus, sender, path, interface, signal, parameters):
        changed = parameters.unpack()[1] if signal == 'PropertiesChanged' else {}
        percentage = changed.get('Percentage', 101)
        if percentage <= 100 and self._progress:
            self._progress(percentage)

    def _finish(self, error):
        for watch in self._watches:
            self._bus.signal_unsubscribe(watch)
        self._watches = []
        done, self._done = self._done, None
        if done:
            done(error)


def install_missing(names, done, progress=None):
    """Installs those of some packages that aren't here. done is called with an Exception, or None."""
    found = {}

    def package(info, package_id, summary):
        name = package_id.split(';')[0]
        if package_id.split(';')[3].split(':')[0] == 'installed' or name not in found:
            found[name] = package_id

    def resolved(error):
        missing = sorted(set(names) - set(found))
        wanted = [i for i in found.values() if i.split(';')[3].split(':')[0] != 'installed']
        if error or missing:
            done(error or PackageKitError('nobody offers %s' % ', '.join(missing)))
        elif not wanted:
            done(None)
        else:
            Transaction(done, progress=progress).run(
                'InstallPackages', GLib.Variant('t', _ONLY_TRUSTED), GLib.Variant('as', wanted))

    Transaction(resolved, package=package).run(
        'Resolve', GLib.Variant('t', _NEWEST), GLib.Variant('as', names))


class PackageUpdate(BundleUpdate):
    """A package as the control panel shows it. bundle_id is PackageKit's id of the package."""

    def __init__(self, package_id, summary, optional):
        name, version = package_id.split(';')[:2]
        self.title = summary or name
        markup = GLib.markup_escape_text(self.title)  # as the panel's list takes it; its progress bar doesn't
        BundleUpdate.__init__(self, package_id, markup, version, None, 0, optional=optional)


class PackageKitUpdater(object):
    """The backend."""

    def __init__(self):
        self._transaction = None
        self._cancelled = False
        self._updates = []

    def fetch_update_info(self, installed_bundles, auto, progress_cb,
                          completion_cb, error_cb):
        """Refreshes what is on offer, then lists updates and, where a person looks on, the activities
        that aren't installed: those are optional, and not chosen before somebody does."""
        self._take_over()
        self._cancelled = False
        self._updates = []

        def update(info, package_id, summary):
            if info & 0xffff != _BLOCKED:  # what is above tells how severe it is
                self._updates.append(PackageUpdate(package_id, summary, False))

        def activity(info, package_id, summary):
            name = package_id.split(';')[0]
            newer = [each.bundle_id.split(';')[0] for each in self._updates if not each.optional]
            if name.startswith('sugar-') and name not in newer:
                self._updates.append(PackageUpdate(package_id, summary, True))

        def details(of):
            for each in self._updates:
                if each.bundle_id == of['package-id']:
                    each.size = of.get('download-size', of.get('size', 0))

        def refreshed(error):
            if error:  # without a network what is known is shown
                _logger.warning('refreshing: %s', error)
            self._run('GetUpdates', [GLib.Variant('t', _NONE)], updates, package=update)

        def updates(error):
            if error or auto:
                activities(error)
            else:
                self._run('SearchNames', [GLib.Variant('t', _NOT_INSTALLED | _NEWEST), GLib.Variant('as', ['sugar-'])],
                          activities, package=activity)

        def activities(error):
            if self._cancelled:
                completion_cb(None)
            elif error:
                error_cb(str(error))
            elif not self._updates:
                completion_cb([])
            else:
                ids = [each.bundle_id for each in self._updates]
                self._run('GetDetails', [GLib.Variant('as', ids)], lambda error: completion_cb(self._updates),
                          details=details)

        progress_cb(None, 0)
        self._run('RefreshCache', [GLib.Variant('b', False)], refreshed,
                  progress=lambda percentage: progress_cb(None, percentage / 100.0))

    def _run(self, method, arguments, done, **callbacks):
        def ended(error):
            self._transaction = None
            done(error)
        if self._cancelled:
            done(PackageKitError('cancelled'))
            return
        self._transaction = Transaction(ended, **callbacks)
        self._transaction.run(method, *arguments)

    def _take_over(self):
        """Has Sugar's Updater leave what was chosen to PackageKit."""
        chooser = updater.get_instance()
        chooser._download_next_update = lambda: self._update(chooser)

    def _update(self, chooser):
        self._cancelled = False
        steps = []
        for method, optional in (('UpdatePackages', False), ('InstallPackages', True)):
            chosen = [each for each in chooser._bundles_to_update if each.optional == optional]
            if chosen:
                steps.append((method, chosen))
        chooser._bundles_to_update = []
        chooser._state = updater.STATE_UPDATING

        def step():
            if not steps or chooser._cancelling:
                chooser._finished(chooser._cancelling)
                return
            method, chosen = steps.pop(0)
            name = ', '.join(each.title for each in chosen)

            def progress(percentage):
                chooser.emit('progress', updater.STATE_UPDATING, name, percentage / 100.0)

            def done(error):
                if error:
                    _logger.error('%s: %s', method, error)
                (chooser._bundles_failed if error else chooser._bundles_updated).extend(chosen)
                step()

            progress(0)
            self._run(method, [GLib.Variant('t', _ONLY_TRUSTED), GLib.Variant('as', [each.bundle_id for each in chosen])],
                      done, progress=progress)

        step()

    def cancel(self):
        self._cancelled = True
        if self._transaction:
            self._transaction.cancel()

    def clean(self):
        pass
