"""What the demo prints of the log and of a turn's end."""

from codara.demo import conversation, trail

END = {
    "codara": {"task_id": "trn_1", "thread": "new"},
    "diff": "+a\n",
    "actions": [
        {"action_id": "atr_1", "type": "patch", "format": "unified_diff", "path": "a"},
        {"action_id": "atr_2", "type": "command", "format": "command", "path": None, "paths": []},
    ],
}


def test_the_trail_is_oldest_first_with_positions_and_names():
    rows = [
        {"position": 12, "action": "session.turn_started", "target_id": "ses_1"},
        {"position": 7, "action": "session.opened", "target_id": "ses_1"},
    ]
    assert trail.lines(rows) == [
        " 7  session.opened        ses_1",
        "12  session.turn_started  ses_1",
    ]


def test_an_empty_trail_has_no_lines():
    assert trail.lines([]) == []


def test_the_end_of_a_turn_shows_diff_and_actions():
    said = []
    conversation.show_changes(END, said.append)
    text = "".join(said)
    assert "[trn_1, thread new]" in text
    assert "\n+a\n" in text
    assert "action atr_1  patch  unified_diff  a\n" in text
    assert "action atr_2  command  command  -\n" in text


def test_a_turn_without_changes_says_so():
    said = []
    conversation.show_changes(END | {"diff": "", "actions": []}, said.append)
    assert "no changes" in "".join(said)
