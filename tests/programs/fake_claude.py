#!/usr/bin/python3 -BEsS
"""An agent that does what the markers of a prompt say, in claude's stream-json protocol.

Besides the markers of `fake_script`: [[asks]] (for a permission), [[cut]] (success, but the
message never ended).
"""

import base64
import json
import os
import sys
import time

from fake_script import NOBODY, NOWHERE, Turns, begin, post

USAGE = {"input_tokens": 10, "output_tokens": 5}
LISTED = [{"value": "default"}, {"value": "fake-model"}]


class Claude(Turns):
    """One thread: prompts on standard input, as many as come."""

    def __init__(self):
        self.number = 0

    def serve(self):
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message["type"] == "user":
                words, *shown = message["message"]["content"]
                self.pictures = [base64.b64decode(each["source"]["data"]) for each in shown]
                self.take(words["text"])
            elif message["type"] == "control_request" and self.quiet != "deaf":
                self.control(message["request_id"], message["request"]["subtype"])
            elif message["type"] == "control_response":
                self.say("refused: " + message["response"]["error"])
                self.ended()
        while self.quiet in ("silence", "deaf", "tool", "asks"):
            time.sleep(60)

    def take(self, prompt):
        self.number += 1
        self.tell(type="system", subtype="init")
        self.begin()
        self.play(prompt)

    def control(self, request_id, subtype):
        """One that is old knows only prompts."""
        if "--old" in sys.argv:
            sys.exit("the fake agent does not start")
        models = [1, 2] if "--odd" in sys.argv else LISTED
        answer = {"subtype": "success", "request_id": request_id, "response": {"models": models}}
        self.tell(type="control_response", response=answer)
        if subtype == "interrupt":
            self.quiet = ""
            reason = {"is_error": True, "terminal_reason": "aborted_streaming"}
            self.tell(type="result", subtype="error_during_execution", usage=USAGE, **reason)

    def begin(self):
        self.event(type="message_start", message={"id": f"msg_{self.number}_{time.time_ns()}"})

    def said(self, text):
        delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
        return {"session_id": thread(), "type": "stream_event", "event": delta}

    def started(self, tool_id, title):
        tool = {"type": "tool_use", "id": tool_id, "name": "Bash", "input": {"command": title}}
        self.tell(type="assistant", message={"id": "msg_tool", "content": [tool]})

    def finished(self, tool_id, title):
        result = {"type": "tool_result", "tool_use_id": tool_id}
        self.tell(type="user", message={"content": [result]})

    def retried(self):
        self.tell(type="system", subtype="api_retry", attempt=1, max_retries=2, error="overloaded")

    def ended(self):
        self.event(type="message_stop")
        self.result()

    def result(self, **fields):
        cost = 0.1 * self.number
        told = {
            "is_error": False,
            "stop_reason": "end_turn",
            "usage": USAGE,
            "total_cost_usd": cost,
        }
        self.tell(type="result", subtype="success", **{**told, **fields})

    def ask(self, script, key=None):
        url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
        headers = {"x-api-key": key or os.environ["ANTHROPIC_API_KEY"]}
        return post(url, headers, {"messages": [{"role": "user", "content": script}]})

    def blamed(self, status):
        self.result(is_error=True, api_error_status=status, result="failed as told")

    def do_asks(self, _):
        self.tell(type="control_request", request_id="q", request={"subtype": "x"})
        return "asks"

    def do_cut(self, _):
        self.say("half of")
        self.result()
        return "cut"

    def do_twice(self, _):
        self.say("one")
        self.begin()
        self.say("one two")

    def do_moved(self, _):
        self.say("elsewhere")
        self.event(type="message_stop")
        self.result(session_id="another")
        return "moved"

    def do_unsaid(self, _):
        self.say("as if it were done")
        self.event(type="message_stop")
        self.tell(type="result")
        return "unsaid"

    def event(self, **fields):
        self.tell(type="stream_event", event=fields)

    def tell(self, **message):
        self.send({"session_id": thread(), **message})


def thread():
    option = "--session-id" if "--session-id" in sys.argv else "--resume"
    return sys.argv[sys.argv.index(option) + 1]


if __name__ == "__main__":
    begin("claude", old=False)
    if NOBODY in sys.argv:
        sys.exit("No conversation found with session ID: " + NOBODY)
    if NOWHERE in sys.argv:
        sys.exit("No message found with message.uuid of: " + NOWHERE)
    Claude().serve()
