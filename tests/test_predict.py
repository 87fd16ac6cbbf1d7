"""A guess is recorded before the result and shown under it; without a click nothing is shown."""

import json
import re
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from helpers.predict import predict

LESSONS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
VIEW = "application/vnd.jupyter.widget-view+json"
ASK = "from helpers.predict import predict\npredict('a', 'b', 'c')"


class Notebook:
    """Runs cells in a kernel as JupyterLab does, and clicks."""

    def __init__(self, client):
        self.client = client

    def run(self, source, cell):
        """Return the text that the cell shows and the view of its widget, if any."""
        message = self.client.session.msg("execute_request", {"code": source, "silent": False})
        message["metadata"] = {"cellId": cell}
        self.client.shell_channel.send(message)
        text, view = "", None
        while True:
            reply = self.client.get_iopub_msg(timeout=1200)
            content = reply["content"]
            if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if content.get("execution_state") == "idle":
                return text, view
            data = content.get("data", {})
            if VIEW in data:
                assert list(data) == [VIEW]  # no text that tells of Python objects
                view = data[VIEW]["model_id"]
            text += content.get("text", "") + data.get("text/plain", "")

    def click(self, view, index):
        data = {"method": "update", "state": {"index": index}, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": view, "data": data})
        self.client.shell_channel.send(message)


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel(startup_timeout=1200, kernel_name="python3")
    yield Notebook(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_a_guess_is_shown_once_under_the_next_result(kernel):
    text, view = kernel.run(ASK, "shown")
    assert text == "Your guess, before the next cell: (a), (b) or (c)?\n"
    kernel.click(view, 0)
    kernel.click(view, 1)  # a second thought
    assert kernel.run("0.5", "result")[0] == "0.5Your guess was (b).\n"
    assert kernel.run("0.6", "later")[0] == "0.6"


@pytest.mark.slow
def test_without_a_click_nothing_is_shown(kernel):
    _, view = kernel.run(ASK, "not clicked")
    assert kernel.run("0.5", "result")[0] == "0.5"
    kernel.click(view, 1)  # too late for this result
    assert kernel.run("0.6", "later")[0] == "0.6"


@pytest.mark.slow
def test_a_click_puts_the_selection_back_and_the_cell_run_again_keeps_the_guess(kernel):
    _, view = kernel.run(ASK, "again")
    kernel.click(view, 2)
    assert kernel.run(ASK, "again")[0].count("guess") == 1
    assert kernel.run("0.5", "result")[0] == "0.5Your guess was (c).\n"
    kernel.run(ASK, "another question")
    assert kernel.run("0.5", "its result")[0] == "0.5"


@pytest.mark.slow
def test_a_cell_that_fails_has_no_result_yet(kernel):
    _, view = kernel.run(ASK, "before an error")
    kernel.click(view, 0)
    assert "guess" not in kernel.run("1 / 0", "result")[0]
    assert kernel.run("0.5", "result")[0] == "0.5Your guess was (a).\n"


def test_words_are_asked_for_as_they_are(capsys):
    predict("more", "less")
    assert capsys.readouterr().out == "Your guess, before the next cell: more or less?\n"


BAD = {
    "none": ((), r"got \(\)"),
    "one": (("abc",), r"got \('abc',\)"),
    "a list": ((["a", "b"],), r"got \(\['a', 'b'\],\)"),
    "numbers": ((1, 2), r"got \(1, 2\)"),
    "twice the same": (("a", "a"), "different"),
    "empty": (("a", " "), "not empty"),
}


@pytest.mark.parametrize("options, found", BAD.values(), ids=BAD)
def test_bad_input_is_told_what_to_write(options, found, capsys):
    with pytest.raises(ValueError, match=r'two options.*Write predict\("a", "b", "c"\)') as error:
        predict(*options)
    assert re.search(found, str(error.value))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lessons_ask_for_what_their_text_offers_and_store_no_widget(path):
    notebook = json.loads(path.read_text("utf-8"))
    asked, text = 0, ""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            text = source
        elif call := re.search(r"(?m)^predict\((.+)\)$", source):
            asked += 1
            letters = re.findall(r'"(\w)"', call[1])
            assert "Predict" in text and all(f"({letter})" in text for letter in letters)
            assert f"({chr(ord('a') + len(letters))})" not in text
            assert "Your guess, before" in "".join(cell["outputs"][-1]["text"])
    assert asked >= 2
    assert "widgets" not in notebook["metadata"]
    assert VIEW not in path.read_text()
