"""The demo's screen: steps scroll away, what a person still needs at the end does not."""

import io

from rich.console import Console

from eucora.cli.context import Output
from eucora.demo.board import LAST_NOTES, Board


def test_a_lasting_note_is_on_the_last_screen() -> None:
    console = Console(file=io.StringIO(), width=120)
    board = Board(output=Output(as_json=False, console=console), live=True)
    board.say("port 8000 is taken: api listens on 20123", lasting=True)
    for number in range(LAST_NOTES + 1):
        board.say(f"step {number}")
    with console.capture() as captured:
        console.print(board.draw())
    screen = captured.get()
    assert "port 8000 is taken: api listens on 20123" in screen
    assert "step 0" not in screen
    assert f"step {LAST_NOTES}" in screen
