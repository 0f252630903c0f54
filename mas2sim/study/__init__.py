"""Studies and examples: cases put together by hand for a question of their own."""
