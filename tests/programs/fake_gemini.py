#!/usr/bin/python3 -BEsS
"""An agent that does what the markers of a prompt say, in gemini's protocols.

As gemini does, it asks the model server before it says anything; what it says is its own.

Besides the markers of `fake_script`: [[fail:kind]] (of the model server), [[cut]] (success, but the
model's answer broke off), [[torn]] (after half an answer another one), [[unasked]] (success, but no
model was asked).
"""

import base64
import json
import os
import re
import sys
import time
import uuid
from pathlib import Path

from fake_script import NOBODY, Turns, main, post

COUNTS = {"input_tokens": 10, "output_tokens": 5}


class Gemini(Turns):
    """What both transports have in common; `begin` comes before each prompt."""

    def __init__(self):
        self.session = ""
        self.asked = False

    def take(self, prompt):
        self.asked = False
        self.play(prompt)

    def ask(self, script="[[text:ok]]", key=None):
        """A request for an answer of the model: its status and what came."""
        self.asked = True
        base = os.environ["GOOGLE_GEMINI_BASE_URL"]
        url = f"{base}/v1beta/models/fake-model:streamGenerateContent?alt=sse"
        headers = {"x-goog-api-key": key or os.environ["GEMINI_API_KEY"]}
        return post(url, headers, {"contents": [{"role": "user", "parts": [{"text": script}]}]})

    def blamed(self, status):
        self.failed(status, json.dumps({"error": {"code": status, "message": "as told"}}))

    def said(self, text):
        self.ask_once()
        return self.message(text)

    def ask_once(self):
        if not self.asked:
            self.ask()

    def retried(self):
        self.ask("[[fail:500]]")

    def ended(self):
        self.ask_once()
        self.finish()

    def do_fail(self, argument):
        self.failed(*self.ask(f"[[fail:{argument}]]"))
        return "failed"

    def do_cut(self, _):
        self.ask("[[fail:cut]]")
        self.say("half of")

    def do_twice(self, _):
        self._twice("one", " two")

    def do_torn(self, _):
        self._twice("something", " else")

    def _twice(self, *pieces):
        self.ask("[[fail:cut]]")
        self.say("one")
        self.ask()
        for piece in pieces:
            self.say(piece)

    def do_unasked(self, _):
        self.asked = True
        self.say("without a model")

    def do_moved(self, _):
        self.session = "another"
        self.say("elsewhere")

    def do_unsaid(self, _):
        self.say("as if it were done")
        self.unsaid()
        return "unsaid"


class Acp(Gemini):
    """``gemini --acp``."""

    lost = ""

    def serve(self):
        for line in sys.stdin.buffer:
            message = json.loads(line)
            method, number = str(message.get("method")), message.get("id")
            answer = getattr(self, "on_" + method.replace("/", "_"), None)
            if answer is not None:
                answer(number, message.get("params") or {})
            elif number is not None:
                self.refuse(number, -32601, "there is no such method")

    def on_initialize(self, number, params):
        self.answer(number, "ready" if "--odd" in sys.argv else {"protocolVersion": 1})

    def on_session_new(self, number, params):
        session = str(uuid.uuid4())
        record(session).parent.mkdir(parents=True, exist_ok=True)
        record(session).write_text(json.dumps({"sessionId": session}) + "\n")
        named = {} if self.odd else {"sessionId": session}
        self.answer(number, {**named, "models": models()})

    def on_session_load(self, number, params):
        """An old session is told again, behind the answer."""
        self.answer(number, {"models": models()})
        self.session = params["sessionId"]
        self.update(message("an old answer"))

    def on_session_set_model(self, number, params):
        self.answer(number, {})

    def on_session_prompt(self, number, params):
        if params["sessionId"] == self.lost:
            self.refuse(number, -32602, "Session not found: " + self.lost)
            return
        self.number, self.session = number, params["sessionId"]
        self.pictures = [base64.b64decode(each["data"]) for each in params["prompt"][1:]]
        self.take(params["prompt"][0]["text"])

    def on_session_cancel(self, number, params):
        if self.quiet and self.quiet != "deaf":
            self.answer(self.number, {"stopReason": "cancelled"})

    def do_forget(self, _):
        self.lost = self.session

    def message(self, text):
        return self.updated(message(text))

    def started(self, tool_id, title):
        self.ask_once()
        call = {"toolCallId": tool_id, "kind": "execute", "title": title}
        self.update({"sessionUpdate": "tool_call", **call})

    def finished(self, tool_id, title):
        call = {"toolCallId": tool_id, "kind": "execute", "title": title}
        self.update({"sessionUpdate": "tool_call_update", "status": "completed", **call})

    def finish(self):
        quota = {"quota": {"token_count": COUNTS}}
        self.answer(self.number, {"stopReason": "end_turn", "_meta": quota})

    def failed(self, status, text):
        self.refuse(self.number, status, text)

    def unsaid(self):
        self.answer(self.number, {})

    def update(self, update):
        self.send(self.updated(update))

    def updated(self, update):
        params = {"sessionId": self.session, "update": update}
        return {"jsonrpc": "2.0", "method": "session/update", "params": params}

    def answer(self, number, result):
        self.send({"jsonrpc": "2.0", "id": number, "result": result})

    def refuse(self, number, code, text):
        self.send({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}})


class Once(Gemini):
    """``gemini -o stream-json``: one prompt."""

    def once(self, prompt):
        known = sys.argv[sys.argv.index("--resume") + 1] if "--resume" in sys.argv else None
        if known == NOBODY:
            sys.stderr.write("Error resuming session: Invalid session identifier\n")
            sys.exit(42)
        self.session = "another" if "[[moved]]" in prompt else known or str(uuid.uuid4())
        named = re.findall(r"^@(\S+)$", prompt, re.MULTILINE)
        self.pictures = [Path(place).read_bytes() for place in named]
        self.send({"type": "init", "session_id": self.session})
        self.take(prompt)
        while self.quiet in ("silence", "deaf", "tool"):
            time.sleep(60)
        if self.quiet == "failed":
            sys.exit(1)

    def message(self, text):
        return {"type": "message", "role": "assistant", "content": text, "delta": True}

    def started(self, tool_id, title):
        self.ask_once()
        tool = {"tool_name": "run_shell_command", "parameters": {"command": title}}
        self.send({"type": "tool_use", "tool_id": tool_id, **tool})

    def finished(self, tool_id, title):
        self.send({"type": "tool_result", "tool_id": tool_id, "status": "success"})

    def finish(self):
        self.send({"type": "result", "status": "success", "stats": COUNTS})

    def failed(self, status, text):
        error = {"type": "unknown", "message": text}
        self.send({"type": "result", "status": "error", "error": error})

    def unsaid(self):
        """It only ends."""


def message(text):
    return {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}


def models():
    asked = sys.argv[sys.argv.index("-m") + 1]
    return {"availableModels": [{"modelId": "fake-model"}], "currentModelId": asked}


def record(session):
    chats = Path(os.environ["GEMINI_CLI_HOME"]) / ".gemini" / "tmp" / "here" / "chats"
    return chats / f"session-2026-01-01T00-00-{session[:8]}.jsonl"


if __name__ == "__main__":
    main("gemini", lambda: Acp().serve(), lambda prompt: Once().once(prompt), "--acp")
