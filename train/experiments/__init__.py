"""The paper's comparisons as commands: cells of settings and seeds, run within a budget, written as table, JSON and plot.

An experiment is a module of this package named in `command.NAMES`. It has

* `TITLE` and `DATA`: one line each, printed over its table;
* `REFERENCE`: the row that all others are compared with ("" for none), or a mapping that gives each row its own;
* `COLUMNS`: the settings that its table shows, in order;
* `cells(seeds) -> list[Cell]` and `run(cell) -> Outcome`;
* and, where they are wanted, `RECIPE` (a number that changes when `run` does, so that old cells run again), `SCORES` (the order
  of the measures in the table) and `draw(axes, rows)` for a plot other than bars.
"""
