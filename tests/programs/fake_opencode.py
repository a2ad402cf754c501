#!/usr/bin/python3 -BEsS
"""An agent that does what the markers of a prompt say, in opencode's protocols.

Besides the markers of `fake_script`: [[refuse:status]] (opencode itself refuses the prompt),
[[flood]] (an answer without end), [[nonsense]] (an answer that is none), [[hangup]] (its events
end, and it goes on), [[late:seconds]] (events from here on come after the answer).
"""

import base64
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

from fake_script import (
    DEAF,
    MEBIBYTE,
    MISSHAPEN,
    Turns,
    encode,
    main,
    of_option,
    of_url,
    post,
)

TOKENS = {"input": 10, "output": 5, "reasoning": 0, "cache": {"read": 0, "write": 0}}
BUSY = "The provider is overloaded"
ELSEWHERE, LONG = "ses_another", "ses_long"
MESSAGES = [{"info": {"id": "msg_1"}}, {"info": {"id": "msg_2"}}]
"""What every session has."""


class Opencode(Turns):
    """What both transports have in common."""

    def ask(self, script, key=None):
        told = json.loads(os.environ["OPENCODE_CONFIG_CONTENT"])["provider"]
        options = next(iter(told.values()))["options"]
        headers = {"Authorization": f"Bearer {key or options['apiKey']}"}
        body = {"messages": [{"role": "user", "content": script}]}
        return post(options["baseURL"] + "/chat/completions", headers, body)


class Server(Opencode):
    """``opencode serve``: prompts are posted, events go to whoever listens."""

    def __init__(self):
        self.listeners = []
        self.aborted = threading.Event()
        self.hung_up = threading.Event()
        self.session = self.message = ""
        self.text = ""
        self.attempts = 0
        self.held = None
        self.half = False

    def write(self, data):
        if self.held is not None:
            self.held.append(data)
            return
        for listener in self.listeners:
            listener.write(data)
            listener.flush()

    def framed(self, payload):
        return b"data: " + payload + b"\n\n"

    def answer(self, session, prompt):
        """Plays a prompt: the last message and its parts."""
        self.session, self.message = session, f"msg_{time.time_ns()}"
        self.text, self.attempts = "", 0
        self.aborted.clear()
        self.tell("message.updated", info=self.info())
        self.play(prompt)
        while self.quiet == "deaf":
            time.sleep(60)
        if self.quiet in ("silence", "tool"):
            self.aborted.wait()
            self.close(error={"name": "MessageAbortedError", "data": {}})
        return {"info": self.last, "parts": [self.part()]}

    def info(self, **more):
        made = {"created": int(time.time() * 1000)}
        told = {"id": self.message, "role": "assistant", "sessionID": self.session, "time": made}
        return {**told, **more}

    def part(self):
        place = {"id": "p" + self.message, "messageID": self.message}
        return {**place, "type": "text", "text": self.text}

    def said(self, text):
        self.text += text
        place = {"sessionID": self.session, "messageID": self.message, "partID": "p" + self.message}
        told = {**place, "field": "text", "delta": text}
        return {"type": "message.part.delta", "properties": told}

    def started(self, tool_id, title):
        self.tool(tool_id, title, "running")

    def finished(self, tool_id, title):
        self.tool(tool_id, title, "completed")

    def tool(self, tool_id, title, status):
        state = {"status": status, "input": {"command": title}}
        part = {"type": "tool", "id": "t" + tool_id, "messageID": self.message, "callID": tool_id}
        self.tell("message.part.updated", part={**part, "tool": "bash", "state": state})

    def retried(self):
        self.attempts += 1
        status = {"type": "retry", "attempt": self.attempts, "message": BUSY}
        self.tell("session.status", sessionID=self.session, status=status)

    def ended(self):
        step = {"type": "step-finish", "reason": "stop", "tokens": TOKENS}
        part = {"id": "s" + self.message, "messageID": self.message}
        self.tell("message.part.updated", part={**part, **step})
        self.close(finish="stop")

    def close(self, **how):
        done = int(time.time() * 1000)
        self.last = self.info(time={"created": done, "completed": done}, **how)
        self.tell("message.updated", info=self.last)
        self.tell("session.idle", sessionID=self.session)

    def do_retries(self, _):
        while not self.aborted.wait(0.02):
            self.retried()
        return "silence"

    def blamed(self, status):
        data = {"message": "failed as told", "statusCode": status}
        self.close(error={"name": "APIError", "data": data})

    def do_twice(self, _):
        self.say("one")
        self.retried()
        self.say("one two")

    def do_moved(self, _):
        self.session = ELSEWHERE
        self.tell("message.updated", info=self.info())
        self.say("elsewhere")

    def do_unsaid(self, _):
        self.say("as if it were done")
        self.close()
        return "unsaid"

    def do_forget(self, _):
        left = [session for session in kept() if session != self.session]
        store().write_text("".join(session + "\n" for session in left))

    def do_refuse(self, argument):
        raise Instead(lambda door: door.reply(int(argument), {"message": "refused as told"}))

    def do_flood(self, _):
        raise Instead(Door.flood)

    def do_nonsense(self, _):
        raise Instead(lambda door: door.reply(200, [1, 2]))

    def do_late(self, argument):
        self.held = []
        threading.Timer(float(argument), self.let_go).start()

    def let_go(self):
        held, self.held = self.held, None
        self.write(b"".join(held))

    def do_surrogate(self, argument):
        super().do_surrogate(argument)
        self.half = True

    def do_hangup(self, _):
        self.say("and now")
        self.hung_up.set()
        return "silence"

    def tell(self, kind, **properties):
        self.send({"type": kind, "properties": properties})


class Instead(Exception):
    """The prompt is answered in another way: by a function of the door."""


class Door(BaseHTTPRequestHandler):
    """The requests; sessions are kept in the home."""

    turns = Server()

    def log_message(self, *_):
        """Nothing."""

    def parse_request(self):
        """Works where a request says; opencode decodes it once more than HTTP does."""
        is_one = super().parse_request()
        self.path, _, query = getattr(self, "path", "").partition("?")
        if query:
            os.chdir(unquote(parse_qs(query)["directory"][0]))
        return is_one

    def do_GET(self):
        if not self.known():
            self.reply(401, {})
        elif self.path == "/event":
            self.listen()
        elif self.path == "/global/health":
            self.reply(200, {"healthy": True})
        elif self.path == f"/session/{DEAF}":
            threading.Event().wait()
        elif self.path in (f"/session/{MISSHAPEN}", f"/session/{LONG}"):
            self.reply(200, {})
        elif self.path == f"/session/{LONG}/message":
            self.flood()
        elif self.path.endswith("/message"):
            self.reply(200, [1] if MISSHAPEN in self.path else MESSAGES)
        else:
            found = self.path.removeprefix("/session/") in kept()
            self.reply(200 if found else 404, {})

    def do_POST(self):
        told = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.known():
            self.reply(401, {})
        elif self.path == "/session":
            self.reply(200, [1, 2] if self.turns.odd else {"id": keep(f"ses_{time.time_ns()}")})
        elif self.path.endswith("/abort"):
            self.abort()
        elif self.path.endswith("/fork"):
            self.reply(200, {"id": f"ses_{time.time_ns()}"})
        else:
            words, *shown = json.loads(told)["parts"]
            self.turns.pictures = [of_url(each["url"]) for each in shown]
            self.prompt(words["text"])

    def do_PATCH(self):
        """A copy is none as long as it may ask people."""
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if {each["action"] for each in changes["permission"]} == {"deny"}:
            keep(self.path.removeprefix("/session/"))
        self.reply(200, {})

    def known(self):
        key = "opencode:" + os.environ["OPENCODE_SERVER_PASSWORD"]
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return base64.b64decode(given).decode() == key

    def listen(self):
        self.send_response(200)
        self.end_headers()
        self.turns.listeners.append(self.wfile)
        self.turns.send({"type": "server.connected"})
        self.turns.hung_up.wait()

    def abort(self):
        if self.turns.quiet == "deaf":
            threading.Event().wait()
        self.turns.aborted.set()
        self.reply(200, True)

    def prompt(self, text):
        if self.path.split("/")[2] not in kept():
            self.reply(404, {"name": "NotFoundError"})
            return
        try:
            self.reply(200, self.turns.answer(self.path.split("/")[2], text))
        except Instead as instead:
            instead.args[0](self)

    def flood(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b" " * MEBIBYTE)

    def reply(self, status, body):
        self.send_response(status)
        self.end_headers()
        told = encode(body)
        self.wfile.write(told.replace(b"X", b"\\ud83d") if self.turns.half else told)


class Run(Opencode):
    """``opencode run --format json``: one prompt, whole parts, excuses on stderr."""

    whole = True

    def __init__(self):
        self.parts = 0
        self.session = ""

    def once(self, prompt):
        os.chdir(sys.argv[sys.argv.index("--dir") + 1])
        known = sys.argv[sys.argv.index("--session") + 1] if "--session" in sys.argv else None
        if known is not None and known not in kept():
            sys.exit("Error: Session not found")
        moved = "[[moved]]" in prompt
        self.session = ELSEWHERE if moved else known or keep(f"ses_{time.time_ns()}")
        self.pictures = of_option("-f")
        self.send(self.line("step_start"))
        self.play(prompt)
        while self.quiet in ("silence", "deaf", "tool"):
            time.sleep(60)
        if self.quiet == "failed":
            sys.exit(1)

    def line(self, kind, **part):
        self.parts += 1
        told = {"id": f"p{self.parts}", "type": kind, **part}
        return {"type": kind, "sessionID": self.session, "part": told}

    def said(self, text):
        return self.line("text", text=text)

    def started(self, tool_id, title):
        """It only tells of tools that have ended."""

    def finished(self, tool_id, title):
        state = {"status": "completed", "input": {"command": title}}
        self.send(self.line("tool_use", callID=tool_id, tool="bash", state=state))

    def retried(self):
        sys.stderr.write(f'level=ERROR message="stream error" error.error="{BUSY}"\n')
        sys.stderr.flush()

    def ended(self):
        self.send(self.line("step_finish", reason="stop", tokens=TOKENS))

    def blamed(self, status):
        data = {"message": "failed as told", "statusCode": status}
        error = {"name": "APIError", "data": data}
        self.send({"type": "error", "sessionID": self.session, "error": error})

    def do_twice(self, _):
        self.say("one")
        self.retried()
        self.retried()
        time.sleep(60)

    def do_moved(self, _):
        self.say("elsewhere")

    def do_unsaid(self, _):
        self.say("as if it were done")
        return "unsaid"


def store():
    return Path(os.environ["HOME"]) / "sessions"


def keep(session):
    with store().open("a") as file:
        file.write(session + "\n")
    return session


def kept():
    return store().read_text().split() if store().exists() else []


def serve():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    port = "9" * 5000 if "--odd" in sys.argv else server.server_port
    print(f"opencode server listening on http://127.0.0.1:{port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main("opencode", serve, lambda prompt: Run().once(prompt), "serve", "codara/fake-model")
