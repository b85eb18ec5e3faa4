# SPDX-License-Identifier: GPL-2.0-or-later
"""Sugar's Software update, as its control panel has it, alone in a window. It says what the panel's model says; a line on stdin, the
names of packages, chooses them and presses "Install selected"."""

import sys

import gi
gi.require_version('Gtk', '3.0')
from gi.repository import GLib, Gtk  # noqa: E402

sys.path.insert(0, '/usr/share/sugar/extensions')
from jarabe.model.update import updater  # noqa: E402
from cpsection.updater.view import ActivityUpdater, UpdateListModel  # noqa: E402


def say(*words):
    print(*words, flush=True)


def name(update):
    return update.bundle_id.split(';')[0]


model = updater.get_instance()
def listed(model, all):
    words = sorted('%s:%s:%d' % (name(u), u.optional, u.size) for u in all)
    GLib.idle_add(say, 'updates', *words, priority=GLib.PRIORITY_LOW)  # once it is drawn


model.connect('updates-available', listed)
model.connect('error', lambda _, text: say('error', text))
model.connect('finished', lambda _, done, failed, cancelled: say('finished', *sorted(name(u) for u in done), 'failed', *sorted(name(u) for u in failed)))

window = Gtk.Window(default_width=1000, default_height=700, title='Software update')
view = ActivityUpdater(None, None)
window.add(view)
window.show_all()


def chosen(channel, condition):
    names = channel.readline().split()
    if not names:
        Gtk.main_quit()
        return False
    for row in view._update_box._update_list.props.model:
        row[UpdateListModel.SELECTED] = row[UpdateListModel.BUNDLE_ID].split(';')[0] in names
    view._update_box.install_button.clicked()
    return True


GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, chosen)
Gtk.main()
