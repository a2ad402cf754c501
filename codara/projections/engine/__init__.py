"""The engine of the read models: folds events into files, keeps up with the log, answers pages."""
