"""The pool: agents kept warm, bounded in number and memory."""
