"""Judgements -> text: the terminal, Markdown and JSON.

`terminal`, `markdown` and `json_text` each have `leaderboard(boards, skips)` and `robustness(board)`; `sheets` and
`robustness` hold what they say in common.
"""
