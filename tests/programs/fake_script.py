"""What the scripted agents share: a prompt's markers, and what any program can do wrong.

An agent does what the markers say, one after the other, and then ends its turn well; without
markers it answers at once. It needs nothing but Python's standard library, so it runs in a jail.

    [[text:..]] [[deltas:n]] [[twice]]        what it says; twice: and begins the same answer again
    [[garbage]] [[badutf8]] [[surrogate]]     lines that are no protocol, and text that is no text
    [[huge:bytes]] [[endless]] [[half]]       a long line, one without end, half of one and death
    [[values:n]] [[deep:n]]                   a line of that many values, or of that many levels
    [[silence]] [[deaf]] [[retries]]          nothing more; not even when interrupted; only excuses
    [[exit:n]]                                how it dies
    [[line:json]]                             any line at all, where its protocol goes
    [[write:name]] [[child]] [[tool]]         what it does; children ignore signals, a tool goes on
    [[sleeper:name]]                          a child of that name, which sleeps
    [[refused:kind]] [[stranger]]             its provider refuses a request; it shows a wrong key
    [[blame:status]]                          it says that its provider answered so, and gives up
    [[gone]]                                  it works until its folder is no longer there
    [[pictures]]                              says which pictures it was shown, by their digests
    [[moved]] [[unsaid]]                      an end in another session, an end without its word
    [[forget]]                                from the next turn on it does not know this thread
    [[odd]]                                   from now on it has a shape of its own for new threads

Options, before an agent's own: `--banner` (a line before the protocol), `--dead` (does not start),
`--old` (knows of no transport but one process per turn), `--dumb` (lists no models), `--odd` (its
first answer has a shape of its own).
"""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

OUT = sys.stdout.buffer
MARKER = re.compile(r"\[\[(\w+)(?::(.*?))?\]\]", re.DOTALL)
STUBBORN = "trap '' TERM INT HUP; while :; do sleep 1; done"
MEBIBYTE = 1 << 20
NOBODY = "00000000-0000-4000-8000-000000000000"
"""A thread that no agent knows."""
DEAF, MISSHAPEN, NOWHERE = "ses_deaf", "ses_odd", "msg_nowhere"
"""A thread whose copying is never answered, one whose is answered oddly, a point that none has."""
GARBAGE = (b"warning: this is no JSON", b"[1, 2]", b"{broken")
NO_TEXT = "\ufffd"
"""What a reader makes of what is no text."""
HOLE = rb"\ufffd"
"""The same as it is encoded."""


class Turns:
    """Plays prompts. A subclass speaks an agent's protocol, in which

    `said(text)` is the message that says a text, `started` and `finished` are those of a tool,
    `retried` is the excuse for a request that failed, and `ended` ends the turn well. `ask(script)`
    asks its model server, with the key it was given or with `key`, and `blamed(status)` says what
    that answered.
    """

    whole = False
    """Whether it says a text in one piece."""
    quiet = ""
    """The marker at which it fell silent."""
    pictures = ()
    """The bytes of those it was shown with the prompt."""
    odd = False
    """Whether it has a shape of its own for new threads."""

    def play(self, prompt):
        self.quiet = ""
        for kind, argument in MARKER.findall(prompt) or [("text", "You said: " + prompt[:200])]:
            self.quiet = getattr(self, "do_" + kind)(argument) or ""
            if self.quiet:
                return
        self.ended()

    def write(self, data):
        """Bytes to where the protocol goes."""
        OUT.write(data)
        OUT.flush()

    def framed(self, payload):
        return payload + b"\n"

    def send(self, message):
        self.write(self.framed(encode(message)))

    def say(self, text):
        self.send(self.said(text))

    def do_text(self, argument):
        for piece in [argument] if self.whole else re.findall(r"\S+\s*", argument):
            self.say(piece)

    def do_deltas(self, argument):
        for at in range(int(argument)):
            self.say(f"{at} ")

    def do_garbage(self, _):
        for line in GARBAGE:
            self.write(self.framed(line))

    def do_line(self, argument):
        self.write(self.framed(argument.encode()))

    def do_odd(self, _):
        self.odd = True

    def do_badutf8(self, _):
        self.say_brokenly("bad", b"\xff", "byte ")

    def do_surrogate(self, _):
        self.say_brokenly("half", b"\\ud83d", "pair ")

    def say_brokenly(self, before, odd, behind):
        message = encode(self.said(f"{before} {NO_TEXT} {behind}"))
        self.write(self.framed(message.replace(HOLE, odd)))

    def do_huge(self, argument):
        self.say("x" * int(argument))

    def do_endless(self, _):
        self.write(self.framed(b"x").rstrip())
        while True:
            self.write(b"x" * MEBIBYTE)

    def do_values(self, argument):
        self.write(self.framed(b'{"a":[' + b"{}," * int(argument) + b"{}]}"))

    def do_deep(self, argument):
        levels = int(argument)
        self.write(self.framed(b'{"a":' + b"[" * levels + b"]" * levels + b"}"))

    def do_half(self, _):
        self.write(self.framed(encode(self.said("half a line")))[:-20])
        os._exit(0)

    def do_exit(self, argument):
        sys.stderr.write("the fake agent gives up\n")
        sys.stderr.flush()
        os._exit(int(argument))

    def do_silence(self, _):
        return "silence"

    def do_deaf(self, _):
        return "deaf"

    def do_retries(self, _):
        """Excuses for ever: a reason to wait, but no progress."""
        while True:
            self.retried()
            time.sleep(0.02)

    def do_write(self, argument):
        self.started("w", argument)
        Path(argument).write_text("hello\n")
        self.finished("w", argument)

    def do_child(self, _):
        self.started("c", "stubborn")
        stubborn()
        self.finished("c", "stubborn")

    def do_sleeper(self, argument):
        self.started("s", argument)
        program = shutil.copy("/bin/sleep", Path.cwd() / argument)
        subprocess.Popen([program, "1000"], start_new_session=True)
        self.finished("s", argument)

    def do_tool(self, _):
        self.started("t", "stubborn")
        stubborn()
        return "tool"

    def do_pictures(self, _):
        digests = (hashlib.sha256(data).hexdigest()[:8] for data in self.pictures)
        self.say(" ".join(digests) or "none")

    def do_refused(self, argument):
        self.ask(f"[[fail:{argument}]]")

    def do_stranger(self, _):
        self.ask("[[text:ok]]", key="another")

    def do_blame(self, argument):
        self.blamed(int(argument))
        return "failed"

    def do_gone(self, _):
        while Path().stat().st_nlink:
            time.sleep(0.01)
        self.say("my folder is gone")


def post(url, headers, body):
    """A request: the status of its answer, and the text."""
    server = urlsplit(url)
    connection = http.client.HTTPConnection(server.hostname, server.port)
    try:
        connection.request("POST", f"{server.path}?{server.query}", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def encode(message):
    return json.dumps(message).encode()


def stubborn():
    """Its command line ends with the folder it was started in, by which it can be found."""
    subprocess.Popen(["/bin/sh", "-c", STUBBORN, str(Path.cwd())], start_new_session=True)


def of_url(url):
    """The bytes of a data URL."""
    return base64.b64decode(url.partition(",")[2])


def of_option(option):
    """The bytes of the files that the arguments name by an option."""
    return [Path(place).read_bytes() for name, place in pairwise(sys.argv) if name == option]


def begin(name, old, models=None):
    """What comes before an agent's first word; `old`: that word is of another transport.

    `models` is what it prints where it is asked for its models by a command.
    """
    if "--version" in sys.argv:
        print(f"fake-{name} 0.0.0")
        sys.exit()
    if "models" in sys.argv and "--dumb" not in sys.argv:
        print(models)
        sys.exit()
    if "--dead" in sys.argv or ("--old" in sys.argv and old):
        sys.exit("the fake agent does not start")
    if "--banner" in sys.argv:
        OUT.write(b"Welcome to the fake agent!\n")
        OUT.flush()


def main(name, stay, once, stays, models=None):
    """Runs an agent: `stay` for all its turns if its arguments have the word `stays`, or `once`."""
    begin(name, stays in sys.argv, models)
    if stays in sys.argv:
        stay()
    else:
        once(sys.stdin.read())
