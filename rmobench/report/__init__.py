"""Judgements -> text: the terminal, Markdown and JSON.

`terminal`, `markdown` and `json_text` each have `leaderboard(boards, skips)`; `sheets` holds what they say in common.
"""
