#!/usr/bin/python3
"""Starts a program and does in it, through AT-SPI, what a person does. Ends with 1, and all that is shown, where something doesn't come.

    drive.py PROGRAM [ARG…] -- STEP…

    see:TEXT     waits until something is shown that has this text in its name
    press:TEXT   waits for something that is called so and can be pressed, and presses it
    type:TEXT    types into what has the keyboard
    key:NAME     presses a key, by X's name of it
    click:X,Y    presses a place of the screen, where a program says nothing to AT-SPI
    run:COMMAND  waits until a command of the shell succeeds
    shot:NAME    leaves a picture of the screen, NAME.png, in the folder PRESOLVE_SCREENSHOTS, where there is one

Each is waited for two minutes. (AT-SPI has no event for all of that in each toolkit: it is looked at again.) What was pressed just before is
pressed again where what is to be seen hasn't come in ten seconds: a page that is being made anew takes no click.
Where something doesn't come that is the picture in-vain.
"""
import os
import re
import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

PATIENCE = 120
AGAIN = 10


def shown(node, depth=0):
    """All that is visible on some page: GTK 4 says of nothing but the window that it is shown."""
    if node is None or depth > 60:
        return
    try:
        if depth > 2 and node.get_state_set().contains(Atspi.StateType.VISIBLE):
            yield node
        children = range(min(node.get_child_count(), 500))
        for i in children if depth > 1 else reversed(children):  # the window that came last is above the others
            yield from shown(node.get_child_at_index(i), depth + 1)
    except gi.repository.GLib.Error:
        return  # it has just gone


def text(node):
    try:
        return " ".join(filter(None, [node.get_name(), node.get_description()]))
    except gi.repository.GLib.Error:
        return ""


def press(node):
    """Presses a thing, or what is around it."""
    while node is not None and node.get_role() != Atspi.Role.APPLICATION:
        action = node.get_action_iface()
        if action is not None and node.get_state_set().contains(Atspi.StateType.SENSITIVE):
            for i in range(action.get_n_actions()):
                if action.get_action_name(i) in ("click", "Press", "press", "activate", "Toggle", "toggle", "jump"):
                    return action.do_action(i)
        node = node.get_parent()
    return False


def step(what, arg):
    if what == "run":
        return subprocess.run(arg, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    if what == "shot":
        folder = os.environ.get("PRESOLVE_SCREENSHOTS")
        return not folder or subprocess.run(["import", "-window", "root", f"{folder}/{arg}.png"]).returncode == 0
    if what == "type":
        return subprocess.run(["xdotool", "type", "--delay", "50", arg]).returncode == 0
    if what == "key":
        return subprocess.run(["xdotool", "key", arg]).returncode == 0
    if what == "click":
        return subprocess.run(["xdotool", "mousemove", *arg.split(","), "click", "1"]).returncode == 0
    for node in shown(Atspi.get_desktop(0)):
        is_it = arg in text(node) if what == "see" else re.fullmatch(f"(?:{re.escape(arg)}[ …]*)+", (node.get_name() or "").replace("_", ""))
        if is_it and (what == "see" or press(node)):
            return True
    return False


def main(args):
    at = args.index("--")
    program = subprocess.Popen(args[:at], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    steps = [s.split(":", 1) for s in args[at + 1:]]
    try:
        for before, (what, arg) in zip([("", "")] + steps, steps):
            until = time.monotonic() + PATIENCE
            again = time.monotonic() + AGAIN
            while not step(what, arg):
                now = time.monotonic()
                if now > until:
                    print("in vain:", what, arg)
                    for node in shown(Atspi.get_desktop(0)):
                        if text(node):
                            print("   ", node.get_role_name(), repr(text(node)))
                    step("shot", "in-vain")
                    return 1
                if now > again and before[0] == "press" and what == "see":
                    step(*before)
                    again = now + AGAIN
                time.sleep(0.2)
            print("done:", what, arg, flush=True)
    finally:
        program.kill()
        program.wait()  # the next one would only wake the one that is still on the bus
    return 0


sys.exit(main(sys.argv[1:]))
