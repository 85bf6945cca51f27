"""Progress in a real notebook: one output that updates in place."""

import nbformat
import pytest
from nbclient import NotebookClient
from playing import plain

CELL = """
from sweeps import run_study
from sweeps.study.parse import study_of

plan = run_study(study_of({study}), out="results", wandb="off")
print(plan.finished, len(plan.entries))
"""


@pytest.mark.slow
def test_the_table_of_a_run_is_one_output_of_its_cell(tmp_path):
    study = plain(search__budget={"trials": 2}, search__window=2, confirm__seeds=2)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.format(study=study))])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = notebook.cells[0].outputs
    tables = [output.data for output in outputs if output.output_type == "display_data" and "text/html" in output.data]
    (table,) = [data for data in tables if "validation" in data["text/html"]]
    assert "2/2" in table["text/html"], "the last state stands in the place of the first"
    assert "True 4" in "".join(output.get("text", "") for output in outputs)
    said = "".join(str(output.get("data", output.get("text", ""))) for output in outputs)
    assert "tiny: 4 trials" in said
    assert "[2K" not in said, "no codes of a terminal"
