#!/usr/bin/python3
"""Installs a program as a desktop does, with PackageKit's GLib library: a name is resolved, and what comes of it is
installed with progress callbacks. Prints what it is told, one JSON list a line.

    desktop.py install NAME    ["resolved", id, info], progress, ["exit", exit, code, text]
    desktop.py cancel NAME     the same, but cancelled by its GCancellable when a package makes progress

Progress is [property, value] or ["item", id, status, percentage], in the order in which it comes.
"""
import json
import sys

import gi

gi.require_version("PackageKitGlib", "1.0")
from gi.repository import Gio, GLib, PackageKitGlib  # noqa: E402

WANTED = {
    PackageKitGlib.ProgressType.ALLOW_CANCEL: "allow-cancel",
    PackageKitGlib.ProgressType.DOWNLOAD_SIZE_REMAINING: "download-size-remaining",
    PackageKitGlib.ProgressType.PERCENTAGE: "percentage",
    PackageKitGlib.ProgressType.REMAINING_TIME: "remaining-time",
    PackageKitGlib.ProgressType.SPEED: "speed",
    PackageKitGlib.ProgressType.STATUS: "status",
}


def say(*what):
    print(json.dumps(what), flush=True)


def main(command, name):
    task = PackageKitGlib.Task(interactive=False)
    cancellable = Gio.Cancellable()

    def on_progress(progress, kind, *_):
        if kind == PackageKitGlib.ProgressType.ITEM_PROGRESS:
            item = progress.get_item_progress()
            say("item", item.get_package_id(), int(item.get_status()), item.get_percentage())
            if command == "cancel":
                cancellable.cancel()
        elif kind in WANTED:
            say(WANTED[kind], int(progress.get_property(WANTED[kind])))

    found = task.resolve_sync(0, [name], None, lambda *_: None).get_package_array()
    for package in found:
        say("resolved", package.get_id(), int(package.get_info()))
    try:
        results = task.install_packages_sync([p.get_id() for p in found], cancellable, on_progress)
    except GLib.Error as error:
        say("failed", error.domain, error.code, error.message)
        return
    error = results.get_error_code()
    say("exit", int(results.get_exit_code()), int(error.get_code()) if error else 0, error.get_details() if error else "")


main(*sys.argv[1:])
