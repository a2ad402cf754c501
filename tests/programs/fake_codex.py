#!/usr/bin/python3 -IS
"""An agent that does what the markers of a prompt say, in the app-server's protocol.

Without markers it answers at once. It needs nothing but Python's standard library, so it runs in
a jail. `--banner` writes a line that is no protocol first, `--dead` ends at once, `--old` knows of
no app-server: it only takes one prompt per process, and answers it.

[[text:..]] [[think:..]] [[deltas:n]] [[write:name]] [[usage:n]] [[quota:percent]] [[retry:n]]
[[silence]] [[deaf]] (silence, and interrupts are not answered) [[garbage]] [[badutf8]]
[[surrogate]] [[huge:bytes]] [[endless]] [[half]] [[exit:n]] [[child]] (a child that ignores
signals) [[tool]] (one that never ends) [[fail:typed error]]
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

MARKER = re.compile(r"\[\[(\w+)(?::(.*?))?\]\]", re.DOTALL)
OUT = sys.stdout.buffer
STUBBORN = "trap '' TERM INT HUP; while :; do sleep 1; done"


class Agent:
    def __init__(self):
        self.threads = {}
        self.turns = 0
        self.waiting = None

    def serve(self):
        for line in sys.stdin.buffer:
            message = json.loads(line)
            answer = getattr(self, "on_" + message["method"].replace("/", "_"), None)
            if answer is not None:
                answer(message.get("id"), message.get("params") or {})
            OUT.flush()

    def on_initialize(self, number, params):
        self.answer(number, {"userAgent": "fake"})

    def on_model_list(self, number, params):
        self.answer(number, {"data": [{"model": "fake-model"}]})

    def on_thread_start(self, number, params):
        thread_id = f"thread-{os.getpid()}-{time.time_ns()}"
        self.threads[thread_id] = [0, [params.get("developerInstructions", "")]]
        keep(thread_id)
        self.answer(number, {"thread": {"id": thread_id}})

    def on_thread_resume(self, number, params):
        thread_id = params["threadId"]
        if thread_id not in self.threads and not kept(thread_id):
            self.refuse(number, "no rollout found for thread id " + thread_id)
            return
        self.threads.setdefault(thread_id, [0, [params.get("developerInstructions", "")]])
        self.answer(number, {"thread": {"id": thread_id}})

    def on_thread_inject_items(self, number, params):
        text = params["items"][0]["content"][0]["text"]
        self.threads[params["threadId"]][1].append(text)
        self.answer(number, {})

    def on_turn_interrupt(self, number, params):
        if self.waiting == "deaf":
            return
        self.answer(number, {})
        self.ended(params["threadId"], params["turnId"], "interrupted")

    def on_turn_start(self, number, params):
        self.turns += 1
        thread_id, turn_id = params["threadId"], f"turn-{self.turns}"
        self.answer(number, {"turn": {"id": turn_id}})
        self.tell("turn/started", thread_id, turn={"id": turn_id})
        prompt = params["input"][0]["text"]
        steps = MARKER.findall(prompt) or [("text", "You said: " + prompt[:200])]
        for kind, argument in steps:
            self.waiting = getattr(self, "do_" + kind)(thread_id, argument)
            if self.waiting:
                return
        self.threads[thread_id][0] += 10
        self.count(thread_id)
        self.ended(thread_id, turn_id, "completed")

    def do_text(self, thread_id, argument):
        for piece in re.findall(r"\S+\s*", argument):
            self.say(thread_id, piece)

    def do_instructions(self, thread_id, argument):
        self.say(thread_id, " | ".join(self.threads[thread_id][1]))

    def do_deltas(self, thread_id, argument):
        for at in range(int(argument)):
            self.say(thread_id, f"{at} ")

    def do_think(self, thread_id, argument):
        self.tell("item/reasoning/textDelta", thread_id, itemId="r", delta=argument)

    def do_write(self, thread_id, argument):
        item = {
            "type": "fileChange",
            "id": "w",
            "changes": [{"path": str(Path(argument).resolve())}],
        }
        self.tell("item/started", thread_id, item=item)
        Path(argument).write_text("hello\n")
        self.tell("item/completed", thread_id, item=dict(item, status="completed"))

    def do_quota(self, thread_id, argument):
        window = {"usedPercent": int(argument), "windowDurationMins": 300, "resetsAt": 1795174665}
        self.tell("account/rateLimits/updated", None, rateLimits={"primary": window})

    def do_retry(self, thread_id, argument):
        for _ in range(int(argument)):
            self.tell("error", thread_id, error={"message": "Reconnecting"}, willRetry=True)

    def do_retries(self, thread_id, argument):
        """Retry notices for ever: a reason to wait, but no progress."""
        while True:
            self.do_retry(thread_id, "1")
            OUT.flush()
            time.sleep(0.02)

    def do_silence(self, thread_id, argument):
        return "silent"

    def do_deaf(self, thread_id, argument):
        return "deaf"

    def do_garbage(self, thread_id, argument):
        OUT.write(b"warning: this is no JSON\n[1, 2]\n\n{broken\n")

    def do_badutf8(self, thread_id, argument):
        OUT.write(delta(thread_id, "bad X byte ").replace(b"X", b"\xff"))

    def do_surrogate(self, thread_id, argument):
        OUT.write(delta(thread_id, "half X pair ").replace(b"X", b"\\ud83d"))

    def do_huge(self, thread_id, argument):
        OUT.write(delta(thread_id, "x" * int(argument)))

    def do_endless(self, thread_id, argument):
        chunk = b"x" * (1 << 20)
        while True:
            OUT.write(chunk)

    def do_half(self, thread_id, argument):
        OUT.write(delta(thread_id, "half a line")[:-20])
        OUT.flush()
        os._exit(0)

    def do_exit(self, thread_id, argument):
        OUT.flush()
        sys.stderr.write("the fake agent gives up\n")
        sys.stderr.flush()
        os._exit(int(argument))

    def do_child(self, thread_id, argument):
        self.started(thread_id, "c")
        self.child = subprocess.Popen(["/bin/sh", "-c", STUBBORN], start_new_session=True)
        self.tell("item/completed", thread_id, item=dict(TOOL, id="c", status="completed"))

    def do_tool(self, thread_id, argument):
        self.started(thread_id, "t")
        self.child = subprocess.Popen(["/bin/sh", "-c", STUBBORN], start_new_session=True)
        return "tool"

    def do_fail(self, thread_id, argument):
        error = {"message": "failed as told", "codexErrorInfo": argument}
        turn = {"id": f"turn-{self.turns}", "status": "failed", "error": error}
        self.tell("turn/completed", thread_id, turn=turn)
        return "failed"

    def started(self, thread_id, tool_id):
        self.tell("item/started", thread_id, item=dict(TOOL, id=tool_id))
        OUT.flush()

    def say(self, thread_id, text):
        OUT.write(delta(thread_id, text))

    def count(self, thread_id):
        total = {"inputTokens": self.threads[thread_id][0], "outputTokens": 1}
        last = {"inputTokens": 10, "outputTokens": 1}
        usage = {"total": total, "last": last}
        self.tell("thread/tokenUsage/updated", thread_id, tokenUsage=usage)

    def ended(self, thread_id, turn_id, status):
        self.tell("turn/completed", thread_id, turn={"id": turn_id, "status": status})

    def tell(self, method, thread_id, **params):
        OUT.write(encode({"method": method, "params": dict(params, threadId=thread_id)}))

    def answer(self, number, result):
        OUT.write(encode({"id": number, "result": result}))

    def refuse(self, number, message):
        OUT.write(encode({"id": number, "error": {"code": -32600, "message": message}}))


TOOL = {"type": "commandExecution", "command": "stubborn"}


def encode(message):
    return json.dumps(message).encode() + b"\n"


def delta(thread_id, text):
    params = {"threadId": thread_id, "itemId": "m", "delta": text}
    return encode({"method": "item/agentMessage/delta", "params": params})


def store():
    return Path(os.environ["CODEX_HOME"]) / "threads"


def keep(thread_id):
    with store().open("a") as file:
        file.write(thread_id + "\n")


def kept(thread_id):
    return store().exists() and thread_id in store().read_text().split()


def one_turn(prompt):
    item = {"id": "m", "type": "agent_message", "text": "You said: " + prompt}
    OUT.write(encode({"type": "thread.started", "thread_id": f"thread-{os.getpid()}"}))
    OUT.write(encode({"type": "item.completed", "item": item}))
    OUT.write(encode({"type": "turn.completed", "usage": {"input_tokens": 10}}))


def main():
    if "--version" in sys.argv:
        print("fake-codex 0.0.0")
        return
    if "--dead" in sys.argv or ("--old" in sys.argv and "app-server" in sys.argv):
        sys.exit("the fake agent does not start")
    if "exec" in sys.argv:
        one_turn(sys.stdin.read())
        return
    if "--banner" in sys.argv:
        OUT.write(b"Welcome to the fake agent!\n")
    Agent().serve()


if __name__ == "__main__":
    main()
