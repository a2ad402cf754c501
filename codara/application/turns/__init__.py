"""One turn: admitted, started, run, finished."""
