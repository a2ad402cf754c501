#!/usr/bin/python3 -BEsS
"""An agent that does what the markers of a prompt say, in codex's protocols.

Besides the markers of `fake_script`: [[think:..]] [[quota:percent]] [[fail:typed error]]
[[instructions]] (says what it was told).
"""

import json
import os
import sys
import time
import tomllib
from pathlib import Path

from fake_script import (
    DEAF,
    MISSHAPEN,
    NOBODY,
    NOWHERE,
    OUT,
    Turns,
    main,
    of_option,
    of_url,
    post,
)


class Codex(Turns):
    """What both transports have in common."""

    def ask(self, script, key=None):
        config = tomllib.loads((Path(os.environ["CODEX_HOME"]) / "config.toml").read_text())
        provider = config["model_providers"][config["model_provider"]]
        headers = {"Authorization": f"Bearer {key or os.environ[provider['env_key']]}"}
        body = {"input": [{"role": "user", "content": [{"type": "input_text", "text": script}]}]}
        return post(provider["base_url"] + "/responses", headers, body)


class AppServer(Codex):
    """``codex app-server``."""

    def __init__(self):
        self.threads = {}
        self.lost = set()
        self.turns = 0
        self.words = ""
        self.thread_id = ""

    def serve(self):
        for line in sys.stdin.buffer:
            message = json.loads(line)
            answer = getattr(self, "on_" + message["method"].replace("/", "_"), None)
            if answer is not None:
                answer(message.get("id"), message.get("params") or {})
            OUT.flush()

    def on_initialize(self, number, params):
        self.answer(number, "ready" if "--odd" in sys.argv else {"userAgent": "fake"})

    def on_thread_loaded_list(self, number, params):
        self.answer(number, {"data": list(self.threads)})

    def on_thread_start(self, number, params):
        thread_id = f"thread-{os.getpid()}-{time.time_ns()}"
        self.threads[thread_id] = [0, [params.get("developerInstructions", "")]]
        keep(thread_id)
        self.answer(number, {"thread": "a thread" if self.odd else {"id": thread_id}})

    def on_thread_resume(self, number, params):
        thread_id = params["threadId"]
        if thread_id not in self.threads and not kept(thread_id):
            self.refuse(number, "no rollout found for thread id " + thread_id)
            return
        self.threads.setdefault(thread_id, [0, []])
        self.answer(number, {"thread": {"id": thread_id}})

    def on_thread_fork(self, number, params):
        source, point = params["threadId"], params["lastTurnId"]
        if source == MISSHAPEN:
            self.answer(number, {"thread": "a copy"})
        elif not kept(source):
            if source != DEAF:
                self.refuse(number, "no rollout found for thread id " + source)
        elif point == NOWHERE:
            self.refuse(number, "turn not found: " + point)
        else:
            self.on_thread_start(number, {})

    def on_thread_inject_items(self, number, params):
        text = params["items"][0]["content"][0]["text"]
        self.threads[params["threadId"]][1].append(text)
        self.answer(number, {})

    def on_turn_interrupt(self, number, params):
        if self.quiet != "deaf":
            self.answer(number, {})
            self.completed("interrupted")

    def on_turn_start(self, number, params):
        if params["threadId"] in self.lost:
            self.refuse(number, "thread not found: " + params["threadId"])
            return
        self.turns += 1
        self.words = ""
        self.thread_id = params["threadId"]
        self.answer(number, {"turn": {"id": self.turn_id}})
        self.tell("turn/started", turn={"id": self.turn_id})
        self.pictures = [of_url(each["url"]) for each in params["input"][1:]]
        self.play(params["input"][0]["text"])

    @property
    def turn_id(self):
        return f"turn-{self.turns}"

    def said(self, text):
        self.words += text
        return self.note("item/agentMessage/delta", itemId="m", delta=text)

    def started(self, tool_id, title):
        self.tell("item/started", item=item(tool_id, title))

    def finished(self, tool_id, title):
        self.tell("item/completed", item=dict(item(tool_id, title), status="completed"))

    def retried(self):
        self.tell("error", error={"message": "Reconnecting"}, willRetry=True)

    def ended(self):
        self.whole_message()
        self.threads[self.thread_id][0] += 10
        total = {"inputTokens": self.threads[self.thread_id][0], "outputTokens": 1}
        usage = {"total": total, "last": {"inputTokens": 10, "outputTokens": 1}}
        self.tell("thread/tokenUsage/updated", tokenUsage=usage)
        self.completed("completed")

    def whole_message(self):
        item = {"type": "agentMessage", "id": "m", "text": self.words}
        self.tell("item/completed", item=item)

    def completed(self, status, **told):
        self.tell("turn/completed", turn={"id": self.turn_id, "status": status, **told})

    def do_forget(self, _):
        self.lost.add(self.thread_id)

    def do_instructions(self, _):
        self.say(" | ".join(self.threads[self.thread_id][1]) or "nothing new")

    def do_think(self, argument):
        self.tell("item/reasoning/textDelta", itemId="r", delta=argument)

    def do_quota(self, argument):
        window = {"usedPercent": int(argument), "windowDurationMins": 300, "resetsAt": 1795174665}
        self.tell("account/rateLimits/updated", rateLimits={"primary": window})

    def blamed(self, status):
        failed = {"httpConnectionFailed": {"httpStatusCode": status}}
        self.completed("failed", error={"message": "failed as told", "codexErrorInfo": failed})

    def do_fail(self, argument):
        self.completed("failed", error={"message": "failed as told", "codexErrorInfo": argument})
        return "failed"

    def do_twice(self, _):
        """In pieces, and twice more as a whole."""
        self.do_text("one two")
        self.whole_message()

    def do_moved(self, _):
        self.thread_id = "another"
        self.say("elsewhere")
        self.completed("completed")
        return "moved"

    def do_unsaid(self, _):
        self.tell("turn/completed", turn={"id": self.turn_id})
        return "unsaid"

    def note(self, method, **params):
        return {"method": method, "params": dict(params, threadId=self.thread_id)}

    def tell(self, method, **params):
        self.send(self.note(method, **params))

    def answer(self, number, result):
        self.send({"id": number, "result": result})

    def refuse(self, number, message):
        self.send({"id": number, "error": {"code": -32600, "message": message}})


class Exec(Codex):
    """``codex exec --json``: one prompt, whole messages."""

    whole = True

    def __init__(self):
        self.items = 0

    def take(self, prompt):
        resumed = "resume" in sys.argv and "[[moved]]" not in prompt
        thread_id = sys.argv[-2] if resumed else f"thread-{os.getpid()}"
        if thread_id == NOBODY:
            sys.exit("Error: no rollout found for thread id " + thread_id)
        if not resumed:
            keep(thread_id)
        self.pictures = of_option("-i")
        self.send({"type": "thread.started", "thread_id": thread_id})
        self.play(prompt)
        while self.quiet in ("silence", "deaf", "tool"):
            time.sleep(60)

    def said(self, text):
        self.items += 1
        message = {"id": f"m{self.items}", "type": "agent_message", "text": text}
        return {"type": "item.completed", "item": message}

    def started(self, tool_id, title):
        self.send({"type": "item.started", "item": item(tool_id, title)})

    def finished(self, tool_id, title):
        done = dict(item(tool_id, title), status="completed")
        self.send({"type": "item.completed", "item": done})

    def retried(self):
        self.send({"type": "error", "message": "Reconnecting... 1/2"})

    def ended(self):
        self.send({"type": "turn.completed", "usage": {"input_tokens": 10}})

    def blamed(self, status):
        said = {401: "401 Unauthorized", 429: "429 Too Many Requests", 503: "503 Service"}
        message = f"unexpected status {said[status]}: failed as told"
        self.send({"type": "turn.failed", "error": {"message": message}})

    def do_moved(self, _):
        self.say("elsewhere")

    def do_unsaid(self, _):
        self.say("as if it were done")
        return "unsaid"


def item(tool_id, title):
    if tool_id == "w":
        change = {"path": str(Path(title).resolve())}
        return {"type": "fileChange", "id": tool_id, "changes": [change]}
    return {"type": "commandExecution", "id": tool_id, "command": title}


def store():
    return Path(os.environ["CODEX_HOME"]) / "threads"


def keep(thread_id):
    with store().open("a") as file:
        file.write(thread_id + "\n")


def kept(thread_id):
    return store().exists() and thread_id in store().read_text().split()


if __name__ == "__main__":
    listed = {"slug": "fake-model", "visibility": "list", "priority": 1}
    models = json.dumps({"models": [listed]})
    serve, take = (lambda: AppServer().serve()), (lambda prompt: Exec().take(prompt))
    main("codex", serve, take, "app-server", models)
