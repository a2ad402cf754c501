#!/usr/bin/python3 -IS
"""An agent that does what the markers of a prompt say, in claude's stream-json protocol.

Without markers it answers at once. It needs nothing but Python's standard library. `--banner`
writes a line that is no protocol first, `--old` refuses to stay: it takes one prompt per process.

[[text:..]] [[silence]] [[deaf]] (silence, and interrupts are not answered) [[garbage]] [[badutf8]]
[[endless]] [[half]] [[exit:n]] [[child]] (a child that ignores signals) [[asks]] (for a permission)
[[cut]] (success, but the message never ended) [[twice]] (the message begins anew) [[moved]] (the
turn ends in another thread)
"""

import json
import os
import re
import subprocess
import sys
import time

MARKER = re.compile(r"\[\[(\w+)(?::(.*?))?\]\]", re.DOTALL)
OUT = sys.stdout.buffer
STUBBORN = "trap '' TERM INT HUP; while :; do sleep 1; done"
USAGE = {"input_tokens": 10, "output_tokens": 5}


def write(**message):
    OUT.write(json.dumps({"session_id": thread(), **message}).encode() + b"\n")
    OUT.flush()


def thread():
    option = "--resume" if "--resume" in sys.argv else "--session-id"
    return sys.argv[sys.argv.index(option) + 1]


def serve():
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message["type"] == "user":
            play(message["message"]["content"][0]["text"])
        elif message["type"] == "control_request" and Turn.quiet != "deaf":
            control(message["request_id"], message["request"]["subtype"])
        elif message["type"] == "control_response":
            say("refused: " + message["response"]["error"])
            stop()
            ended()


def control(request_id, subtype):
    answer = {"subtype": "success", "request_id": request_id, "response": {"models": []}}
    write(type="control_response", response=answer)
    if subtype == "interrupt":
        reason = {"is_error": True, "terminal_reason": "aborted_streaming"}
        write(type="result", subtype="error_during_execution", usage=USAGE, **reason)


class Turn:
    number = 0
    quiet = ""


def play(prompt):
    Turn.number += 1
    write(type="system", subtype="init")
    start()
    for kind, argument in MARKER.findall(prompt) or [("text", "You said: " + prompt)]:
        DO[kind](argument)
        if kind in ("silence", "deaf", "asks"):
            Turn.quiet = kind
            return
        if kind in ("cut", "moved"):
            return
    stop()
    ended()


def start():
    event(type="message_start", message={"id": f"msg_{Turn.number}_{time.time_ns()}"})


def say(text):
    event(type="content_block_delta", delta={"type": "text_delta", "text": text})


def stop():
    event(type="message_stop")


def ended(**fields):
    told = {"is_error": False, "usage": USAGE, "total_cost_usd": 0.1 * Turn.number}
    write(type="result", subtype="success", **{**told, **fields})


def event(**fields):
    write(type="stream_event", event=fields)


def raw(data):
    OUT.write(data)
    OUT.flush()


def twice(_):
    say("one")
    start()
    say("one two")


def moved(_):
    say("x")
    stop()
    ended(session_id="another")


def endless(_):
    while True:
        raw(b"x" * (1 << 20))


def child(_):
    subprocess.Popen(["sh", "-c", STUBBORN], start_new_session=True)
    tool = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "stubborn"}}
    write(type="assistant", message={"id": "msg_tool", "content": [tool]})


DO = {
    "text": say,
    "silence": lambda _: say("..."),
    "deaf": lambda _: say("..."),
    "garbage": lambda _: raw(b"what is this?\n[1]\n"),
    "badutf8": lambda _: raw(b'{"type":"unheard","text":"\xff"}\n'),
    "endless": endless,
    "half": lambda _: (raw(b'{"type":"resu'), os._exit(0)),
    "exit": lambda code: os._exit(int(code)),
    "child": child,
    "asks": lambda _: write(type="control_request", request_id="q", request={"subtype": "x"}),
    "cut": lambda _: (say("half of"), ended()),
    "twice": twice,
    "moved": moved,
}


if __name__ == "__main__":
    if "--banner" in sys.argv:
        print("Welcome!", flush=True)
    if "--input-format" not in sys.argv:
        play(sys.stdin.read())
    elif "--old" in sys.argv:
        sys.exit("error: unknown option '--input-format'")
    else:
        serve()
